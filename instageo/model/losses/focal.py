"""Focal losses (Lin et al. 2017, arXiv:1708.02002): cross-entropy with less weight on pixels predicted well."""

from torch import Tensor

from instageo.model.losses.kornia_losses import import_kornia_loss
from instageo.model.losses.parameter_checks import check_number
from instageo.model.losses.reduction import MaskedClassLoss, binary_label_weights, label_weight_sum, weighted_mean


def focal(class_weights: Tensor | None, ignore_index: int, gamma: float = 2.0) -> MaskedClassLoss:
    """Build the focal loss of classes.

    It is the mean over labelled pixels of -w[label] * (1 - p[label])^gamma * log p[label], divided by the mean of
    w[label]. With gamma = 0 it is cross-entropy.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
        gamma: 0 or more; larger values reduce the weight of pixels that are predicted well.

    Raises:
        ConfigError: `gamma` is not such a number.
        MissingExtraError: kornia is not installed.
    """
    check_number("train.loss.focal.gamma", gamma, allow_zero=True)
    focal_loss = import_kornia_loss("focal_loss")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        total = focal_loss(logits, label, None, gamma, "sum", class_weights, ignore_index)
        return weighted_mean(total, label_weight_sum(label, class_weights, ignore_index))

    return MaskedClassLoss(class_weights, ignore_index, value)


def binary_focal(class_weights: Tensor | None, ignore_index: int, gamma: float = 2.0) -> MaskedClassLoss:
    """Build the focal loss for several labels per chip.

    It is the mean over the labels that count of -w[k] * (1 - p)^gamma * log p, where p is the probability of the true
    value, divided by the mean of w[k].

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
        gamma: 0 or more.

    Raises:
        ConfigError: `gamma` is not such a number.
        MissingExtraError: kornia is not installed.
    """
    check_number("train.loss.binary_focal.gamma", gamma, allow_zero=True)
    focal_loss = import_kornia_loss("binary_focal_loss_with_logits")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        total = focal_loss(logits, label, None, gamma, "sum", weight=class_weights, ignore_index=ignore_index)
        return weighted_mean(total, binary_label_weights(label, class_weights, ignore_index).sum())

    return MaskedClassLoss(class_weights, ignore_index, value)
