"""The loss of a run, built from its settings."""

import torch
from torch import nn

from instageo.model.losses.factory import LossContext, LossKind, LossTerm, build_loss, parse_loss_terms
from instageo.model.settings import LabelKind, Settings


def loss_kind_from_settings(settings: Settings) -> LossKind:
    """Return the kind of loss that the task needs."""
    if settings.is_reg_task:
        return LossKind.regression
    return LossKind.multilabel if settings.dataloader.label_kind is LabelKind.chip_multi else LossKind.classes


DEFAULT_LOSS = {
    LossKind.classes: "cross_entropy", LossKind.multilabel: "binary_cross_entropy", LossKind.regression: "mse",
}  # fmt: skip
"""The default loss of each kind."""


def loss_terms_from_settings(settings: Settings) -> tuple[LossTerm, ...]:
    """Return the terms of the loss, with their parameters.

    Raises:
        ConfigError: A loss is unknown.
    """
    return parse_loss_terms(settings.train.loss, DEFAULT_LOSS[loss_kind_from_settings(settings)])


def loss_from_settings(settings: Settings) -> nn.Module:
    """Build the loss, in the network's own scale; class weights that are still to be computed count as 1.

    Raises:
        ConfigError: A loss is unknown, for other tasks, or does not work with its parameters.
    """
    train = settings.train
    weights = torch.tensor(train.class_weights) if isinstance(train.class_weights, list) else None
    context = LossContext(
        loss_kind_from_settings(settings),
        settings.model.num_classes,
        weights,
        train.ignore_index,
        train.label_smoothing,
    )
    return build_loss(loss_terms_from_settings(settings), context)
