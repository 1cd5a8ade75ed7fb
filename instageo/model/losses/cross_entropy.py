"""Cross-entropy: of classes, over labelled pixels, and binary, for several labels per chip."""

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.losses.reduction import MaskedClassLoss, binary_label_weights, label_weight_sum, weighted_mean


class WeightedCrossEntropy(nn.Module):
    """Mean over labelled pixels of -w[label] * log p[label], divided by the mean of w[label].

    It equals `torch.nn.CrossEntropyLoss(weight, ignore_index=…, label_smoothing=…)`, but is 0 with a zero gradient, not
    NaN, if no pixel carries weight.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
        label_smoothing: Share of each pixel's target that is spread over all classes, 0 or more, below 1.
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Tensor | None, ignore_index: int, label_smoothing: float = 0.0) -> None:
        super().__init__()
        weights = None if class_weights is None else class_weights.float()
        self.register_buffer("class_weights", weights, persistent=False)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Return the loss, a scalar, of logits (B, K, H, W) and labels (B, H, W)."""
        total = F.cross_entropy(
            logits.float(), label, self.class_weights,
            ignore_index=self.ignore_index, reduction="sum", label_smoothing=self.label_smoothing,
        )  # fmt: skip
        return weighted_mean(total, label_weight_sum(label, self.class_weights, self.ignore_index))


def binary_cross_entropy(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """Build a binary cross-entropy for several labels per chip.

    It is the mean over the labels that count of -w[k] * log p, where p is the probability of the true value, divided by
    the mean of w[k].

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
    """

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        weights = binary_label_weights(label, class_weights, ignore_index)
        total = F.binary_cross_entropy_with_logits(logits, label.float(), weights, reduction="sum")
        return weighted_mean(total, weights.sum())

    return MaskedClassLoss(class_weights, ignore_index, value)
