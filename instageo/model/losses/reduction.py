"""What counts in a loss of classes, and means over it that are never NaN. Nothing here waits for a GPU."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class MaskedClassLoss(nn.Module):
    """A loss that knows each class's weight and the label that does not count; in float32 whatever the logits are.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1. They move with the loss, but stay out of checkpoints.
        ignore_index: Label that does not count.
        value: From logits, labels, class weights and `ignore_index` to a scalar.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        class_weights: Tensor | None,
        ignore_index: int,
        value: Callable[[Tensor, Tensor, Tensor | None, int], Tensor],
    ) -> None:
        super().__init__()
        weights = None if class_weights is None else class_weights.float()
        self.register_buffer("class_weights", weights, persistent=False)
        self.ignore_index, self.value = ignore_index, value

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Loss, a scalar, of logits (B, K, H, W) against labels (B, H, W), or (B, K, H, W) for several per chip."""
        return self.value(logits.float(), label, self.class_weights, self.ignore_index)


def weighted_mean(total: Tensor, weight: Tensor) -> Tensor:
    """A sum divided by the weight that went into it; where that is 0, it is 0 with a zero gradient.

    Args:
        total: Scalar, finite.
        weight: Scalar, float32, 0 or more.
    """
    return total * (weight > 0) / weight.clamp_min(torch.finfo(torch.float32).tiny)


def label_weight_sum(label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
    """Sum over the labels that count of their classes' weights, a scalar; of 1 without weights.

    Args:
        label: int64, any shape.
        class_weights: Shape (K,).
        ignore_index: Label that does not count.
    """
    counted = label != ignore_index
    if class_weights is None:
        return counted.sum().float()
    return (class_weights[label.clamp(0, len(class_weights) - 1)] * counted).sum()


def binary_label_weights(label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
    """Weight of each answer of several per chip, shape (B, K, H, W), float32: 0 where it does not count.

    Args:
        label: Shape (B, K, H, W).
        class_weights: Shape (K,); None: all 1.
        ignore_index: Answer that does not count.
    """
    counted = (label != ignore_index).float()
    return counted if class_weights is None else counted * class_weights.view(1, -1, 1, 1)


def present_class_weights(label: Tensor, num_classes: int, class_weights: Tensor | None, ignore_index: int) -> Tensor:
    """Each class's weight, shape (K,), float32; 0 for a class without a label that counts.

    Args:
        label: int64, any shape.
        num_classes: K.
        class_weights: Shape (K,); None: all 1.
        ignore_index: Label that does not count.
    """
    slots = label.masked_fill(label == ignore_index, num_classes).flatten()
    present = torch.zeros(num_classes + 1, device=label.device).scatter_(0, slots, 1.0)[:num_classes]
    return present if class_weights is None else present * class_weights
