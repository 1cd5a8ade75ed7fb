"""Losses as a run builds them, and outputs and labels for every kind of task."""

import torch

from instageo.model.losses.factory import LOSSES, LossContext, LossKind, build_loss, output_channels, parse_loss_terms

CLASSES, IGNORED = 3, -1
SIZE = 2, 4, 5
CASES = [*LOSSES, {"cross_entropy": 1, "dice": 0.5}, {"mse": 1, "huber": {"weight": 2, "delta": 0.5}}]
"""Every loss, and two sums."""


def kind_of(value):
    """Kind of labels that a loss, or the first of a sum, is for."""
    return LOSSES[parse_loss_terms(value, "")[0].name].kind


def make(value, *, weights=None, ignore_index=IGNORED, smoothing=0.0, classes=CLASSES):
    """Build the loss that `train.loss=value` stands for."""
    weights = None if weights is None else torch.tensor(weights)
    return build_loss(
        parse_loss_terms(value, ""), LossContext(kind_of(value), classes, weights, ignore_index, smoothing)
    )


def draw(value, seed=0, size=SIZE):
    """Draw random outputs and labels for a loss; all labels count."""
    generator = torch.Generator().manual_seed(seed)
    batch, height, width = size
    outputs = torch.randn(
        batch, output_channels(parse_loss_terms(value, ""), CLASSES), height, width, generator=generator
    )
    if kind_of(value) is LossKind.regression:
        return outputs, torch.randn(size, generator=generator)
    if kind_of(value) is LossKind.multilabel:
        return outputs, torch.randint(0, 2, outputs.shape, generator=generator)
    return outputs, torch.randint(0, CLASSES, size, generator=generator)


def ignore(value, label, mask):
    """Mark the labels at `mask` as ignored."""
    return label.masked_fill(mask, float("nan") if kind_of(value) is LossKind.regression else IGNORED)
