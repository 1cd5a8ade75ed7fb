"""Focal losses (Lin et al. 2017, arXiv:1708.02002): cross-entropy that looks away from what is right already."""

import math

from torch import Tensor

from instageo.model.losses.kornia_losses import from_kornia
from instageo.model.losses.reduction import MaskedClassLoss, binary_label_weights, label_weight_sum, weighted_mean
from instageo.model.settings.checks import are_numbers, check


def focal(class_weights: Tensor | None, ignore_index: int, gamma: float = 2.0) -> MaskedClassLoss:
    """Mean over labelled pixels of -w[label] * (1 - p[label])^gamma * log p[label], divided by the mean of w[label].

    With gamma = 0 it is cross-entropy.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.
        gamma: 0 or more; the larger, the less do pixels count that are right already.

    Raises:
        ConfigError: `gamma` is no such number.
        MissingExtraError: kornia is not installed.
    """
    _check_gamma("focal", gamma)
    focal_loss = from_kornia("focal_loss")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        total = focal_loss(logits, label, None, gamma, "sum", class_weights, ignore_index)
        return weighted_mean(total, label_weight_sum(label, class_weights, ignore_index))

    return MaskedClassLoss(class_weights, ignore_index, value)


def binary_focal(class_weights: Tensor | None, ignore_index: int, gamma: float = 2.0) -> MaskedClassLoss:
    """The same for several labels per chip: mean over answers of -w[k] * (1 - p)^gamma * log p, p of the right one.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Answer that does not count.
        gamma: 0 or more.

    Raises:
        ConfigError: `gamma` is no such number.
        MissingExtraError: kornia is not installed.
    """
    _check_gamma("binary_focal", gamma)
    focal_loss = from_kornia("binary_focal_loss_with_logits")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        total = focal_loss(logits, label, None, gamma, "sum", weight=class_weights, ignore_index=ignore_index)
        return weighted_mean(total, binary_label_weights(label, class_weights, ignore_index).sum())

    return MaskedClassLoss(class_weights, ignore_index, value)


def _check_gamma(loss: str, gamma: float) -> None:
    sane = are_numbers([gamma]) and 0 <= gamma < math.inf
    check(sane, f"train.loss.{loss}.gamma", gamma, "a number of 0 or more")
