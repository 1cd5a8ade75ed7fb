"""Cross-entropy over labelled pixels, weighted by class."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WeightedCrossEntropy(nn.Module):
    """Mean over labelled pixels of -w[label] * log p[label], divided by the mean of w[label].

    The same as `torch.nn.CrossEntropyLoss(weight, ignore_index=…)`, but 0 with a zero gradient, not NaN, where no
    pixel carries weight.

    Args:
        class_weights: Shape (K,), 0 or more.
        ignore_index: Label that does not count.
    """

    class_weights: Tensor

    def __init__(self, class_weights: Tensor, ignore_index: int) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights.float(), persistent=False)
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss, a scalar, of logits (B, K, H, W) against labels (B, H, W)."""
        weights = self.class_weights
        total = F.cross_entropy(logits.float(), label, weights, ignore_index=self.ignore_index, reduction="sum")
        counted = label != self.ignore_index
        carried = weights[label.clamp(0, len(weights) - 1)] * counted
        return total / carried.sum().clamp_min(torch.finfo(torch.float32).tiny)
