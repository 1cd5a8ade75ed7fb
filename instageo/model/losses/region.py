"""Losses of overlap: one minus how well the pixels of a class, as predicted (P) and in truth (T), coincide.

All count a class over the whole batch, with probabilities for predicted pixels, and are means over the classes that
occur in the batch's labels, weighted by class: 0 to 1.
"""

import math

import torch
from torch import Tensor

from instageo.model.losses.kornia_losses import from_kornia
from instageo.model.losses.reduction import MaskedClassLoss, present_class_weights, weighted_mean
from instageo.model.settings.checks import are_numbers, check


def dice(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """1 - 2 |P and T| / (|P| + |T|): one minus F1 of probabilities.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.

    Raises:
        MissingExtraError: kornia is not installed.
    """
    dice_loss = from_kornia("dice_loss")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        present = present_class_weights(label, logits.shape[1], class_weights, ignore_index)
        image = logits.movedim(1, 0).reshape(1, logits.shape[1], 1, -1)
        flat = label.reshape(1, 1, -1)
        loss = dice_loss(image, flat, "macro", weight=class_weights, ignore_index=ignore_index)
        return loss * (present.sum() > 0)

    return MaskedClassLoss(class_weights, ignore_index, value)


def lovasz(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """The Lovász extension of 1 - IoU at the errors of the probabilities (Berman et al. 2018, arXiv:1705.08790).

    Only pixels that count are sorted, so a GPU is waited for once, to learn how many they are.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.

    Raises:
        MissingExtraError: kornia is not installed.
    """
    lovasz_loss = from_kornia("lovasz_softmax_loss")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        classes, counted = logits.shape[1], label != ignore_index
        present = present_class_weights(label, classes, class_weights, ignore_index)
        image = logits.movedim(1, 0)[:, counted].view(1, classes, 1, -1)
        over_all_classes = lovasz_loss(image, label[counted].view(1, 1, -1), present)
        return weighted_mean(over_all_classes * classes, present.sum())

    return MaskedClassLoss(class_weights, ignore_index, value)


def tversky(class_weights: Tensor | None, ignore_index: int, alpha: float = 0.3, beta: float = 0.7) -> MaskedClassLoss:
    """1 - TP / (TP + alpha FP + beta FN) (Salehi et al. 2017, arXiv:1706.05721): Dice where both are 1/2.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.
        alpha: What a false positive costs, 0 or more.
        beta: What a false negative costs, above 0.

    Raises:
        ConfigError: `alpha` or `beta` is no such number.
    """
    sane = are_numbers([alpha]) and 0 <= alpha < math.inf
    check(sane, "train.loss.tversky.alpha", alpha, "a number of 0 or more")
    check(are_numbers([beta]) and 0 < beta < math.inf, "train.loss.tversky.beta", beta, "a number above 0")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        present = present_class_weights(label, logits.shape[1], class_weights, ignore_index)
        both, predicted, true = _pixels(logits, label, ignore_index)
        index = both / (both + alpha * (predicted - both) + beta * (true - both)).masked_fill(true == 0, 1)
        return weighted_mean(((1 - index) * present).sum(), present.sum())

    return MaskedClassLoss(class_weights, ignore_index, value)


def jaccard(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """1 - |P and T| / |P or T|: one minus IoU of probabilities.

    Args:
        class_weights: Shape (K,), 0 or more; None: all 1.
        ignore_index: Label that does not count.
    """
    return tversky(class_weights, ignore_index, alpha=1, beta=1)


def _pixels(logits: Tensor, label: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many pixels that count each class has in both, as predicted, and in truth: three tensors (K,)."""
    counted = (label != ignore_index)[:, None]
    chances = logits.softmax(1) * counted
    truth = (label[:, None] == torch.arange(logits.shape[1], device=label.device).view(-1, 1, 1)) & counted
    both, predicted, true = (part.sum((0, 2, 3)) for part in (chances * truth, chances, truth))
    return both, predicted, true
