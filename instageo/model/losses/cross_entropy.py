"""Cross-entropy: of classes, over labelled pixels, and of yes or no, for several labels per chip."""

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.losses.reduction import MaskedClassLoss, binary_label_weights, label_weight_sum, weighted_mean


class WeightedCrossEntropy(nn.Module):
    """Mean over labelled pixels of -w[label] * log p[label], divided by the mean of w[label].

    The same as `torch.nn.CrossEntropyLoss(weight, ignore_index=…, label_smoothing=…)`, but 0 with a zero gradient, not
    NaN, where no pixel carries weight.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.
        label_smoothing: Share of each pixel's truth that is spread over all classes, 0 or more, below 1.
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Tensor | None, ignore_index: int, label_smoothing: float = 0.0) -> None:
        super().__init__()
        weights = None if class_weights is None else class_weights.float()
        self.register_buffer("class_weights", weights, persistent=False)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss, a scalar, of logits (B, K, H, W) against labels (B, H, W)."""
        total = F.cross_entropy(
            logits.float(), label, self.class_weights,
            ignore_index=self.ignore_index, reduction="sum", label_smoothing=self.label_smoothing,
        )  # fmt: skip
        return weighted_mean(total, label_weight_sum(label, self.class_weights, self.ignore_index))


def binary_cross_entropy(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """Mean over the answers that count of -w[k] * log p, with p of the right answer, divided by the mean of w[k].

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Answer that does not count.
    """

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        weights = binary_label_weights(label, class_weights, ignore_index)
        total = F.binary_cross_entropy_with_logits(logits, label.float(), weights, reduction="sum")
        return weighted_mean(total, weights.sum())

    return MaskedClassLoss(class_weights, ignore_index, value)
