"""Build the loss from settings."""

import torch
from torch import nn

from instageo.model.losses.build import LossContext, LossKind, LossTerm, build_loss, parse_loss_terms
from instageo.model.settings import LabelKind, Settings


def loss_kind_from_settings(settings: Settings) -> LossKind:
    """What the loss compares."""
    if settings.is_reg_task:
        return LossKind.values
    return LossKind.multilabel if settings.dataloader.label_kind is LabelKind.chip_multi else LossKind.classes


DEFAULT_LOSS = {
    LossKind.classes: "cross_entropy", LossKind.multilabel: "binary_cross_entropy", LossKind.values: "mse",
}  # fmt: skip
"""The loss of each kind, where none is named."""


def loss_terms_from_settings(settings: Settings) -> tuple[LossTerm, ...]:
    """The terms of the loss, with their parameters.

    Raises:
        ConfigError: There is no such loss.
    """
    return parse_loss_terms(settings.train.loss, DEFAULT_LOSS[loss_kind_from_settings(settings)])


def loss_from_settings(settings: Settings) -> nn.Module:
    """The loss, in the network's own scale; class weights that are still to be computed count as 1.

    Raises:
        ConfigError: It is unknown, for other tasks, or does not work with its parameters.
    """
    course = settings.train
    weights = torch.tensor(course.class_weights) if isinstance(course.class_weights, list) else None
    context = LossContext(
        loss_kind_from_settings(settings),
        settings.model.num_classes,
        weights,
        course.ignore_index,
        course.label_smoothing,
    )
    return build_loss(loss_terms_from_settings(settings), context)
