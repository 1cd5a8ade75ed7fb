"""Weights of labels and means over them that are never NaN. Nothing here synchronises with a GPU."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class MaskedClassLoss(nn.Module):
    """Loss of classes with class weights and an ignored label, computed in float32 for logits of any dtype.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere. They move with the loss to another device, but are
            not part of checkpoints.
        ignore_index: Label that does not count.
        value: Function of logits, labels, class weights and `ignore_index` that returns a scalar.
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
        """Return the loss, a scalar, of logits (B, K, H, W) and labels (B, H, W), or (B, K, H, W) for multi-label."""
        return self.value(logits.float(), label, self.class_weights, self.ignore_index)


def weighted_mean(total: Tensor, weight: Tensor) -> Tensor:
    """Divide a sum by its total weight; the result is 0 with a zero gradient if the weight is 0.

    Args:
        total: Scalar, finite.
        weight: Scalar, float32, 0 or more.
    """
    return total * (weight > 0) / weight.clamp_min(torch.finfo(torch.float32).tiny)


def label_weight_sum(label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
    """Return the sum of the class weights of all labels that count, a scalar.

    Args:
        label: int64, any shape.
        class_weights: Shape (K,); None for 1 everywhere.
        ignore_index: Label that does not count.
    """
    counted = label != ignore_index
    if class_weights is None:
        return counted.sum().float()
    return (class_weights[label.clamp(0, len(class_weights) - 1)] * counted).sum()


def binary_label_weights(label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
    """Return the weight of each label of a multi-label task, shape (B, K, H, W), float32; 0 if it does not count.

    Args:
        label: Shape (B, K, H, W).
        class_weights: Shape (K,); None for 1 everywhere.
        ignore_index: Label that does not count.
    """
    counted = (label != ignore_index).float()
    return counted if class_weights is None else counted * class_weights.view(1, -1, 1, 1)


def present_class_weights(label: Tensor, num_classes: int, class_weights: Tensor | None, ignore_index: int) -> Tensor:
    """Return the weight of each class, shape (K,), float32; 0 for a class without a label that counts.

    Args:
        label: int64, any shape.
        num_classes: K.
        class_weights: Shape (K,); None for 1 everywhere.
        ignore_index: Label that does not count.
    """
    slots = label.masked_fill(label == ignore_index, num_classes).flatten()
    present = torch.zeros(num_classes + 1, device=label.device).scatter_(0, slots, 1.0)[:num_classes]
    return present if class_weights is None else present * class_weights
