"""Region losses: one minus the overlap of a class's predicted pixels (P) and labelled pixels (T).

All of them count a class over the whole batch, with probabilities as predictions, and average over the classes that
occur in the labels of the batch, weighted by class. They lie between 0 and 1.
"""

import torch
from torch import Tensor

from instageo.model.losses.kornia_losses import import_kornia_loss
from instageo.model.losses.parameter_checks import check_number
from instageo.model.losses.reduction import MaskedClassLoss, present_class_weights, weighted_mean


def dice(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """Build the Dice loss, 1 - 2 |P and T| / (|P| + |T|): one minus the F1 score of probabilities.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.

    Raises:
        MissingExtraError: kornia is not installed.
    """
    dice_loss = import_kornia_loss("dice_loss")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        present = present_class_weights(label, logits.shape[1], class_weights, ignore_index)
        image = logits.movedim(1, 0).reshape(1, logits.shape[1], 1, -1)
        flat = label.reshape(1, 1, -1)
        loss = dice_loss(image, flat, "macro", weight=class_weights, ignore_index=ignore_index)
        return loss * (present.sum() > 0)

    return MaskedClassLoss(class_weights, ignore_index, value)


def lovasz(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """Build the Lovász-softmax loss: the Lovász extension of 1 - IoU at the errors of the probabilities.

    See Berman et al. 2018, arXiv:1705.08790. Only pixels that count are sorted; finding their number synchronises with
    the GPU once.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.

    Raises:
        MissingExtraError: kornia is not installed.
    """
    lovasz_loss = import_kornia_loss("lovasz_softmax_loss")

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        classes, counted = logits.shape[1], label != ignore_index
        present = present_class_weights(label, classes, class_weights, ignore_index)
        image = logits.movedim(1, 0)[:, counted].view(1, classes, 1, -1)
        over_all_classes = lovasz_loss(image, label[counted].view(1, 1, -1), present)
        return weighted_mean(over_all_classes * classes, present.sum())

    return MaskedClassLoss(class_weights, ignore_index, value)


def tversky(class_weights: Tensor | None, ignore_index: int, alpha: float = 0.3, beta: float = 0.7) -> MaskedClassLoss:
    """Build the Tversky loss, 1 - TP / (TP + alpha FP + beta FN); with alpha = beta = 1/2 it is the Dice loss.

    See Salehi et al. 2017, arXiv:1706.05721.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
        alpha: Weight of false positives, 0 or more.
        beta: Weight of false negatives, above 0.

    Raises:
        ConfigError: `alpha` or `beta` is not such a number.
    """
    check_number("train.loss.tversky.alpha", alpha, allow_zero=True)
    check_number("train.loss.tversky.beta", beta)

    def value(logits: Tensor, label: Tensor, class_weights: Tensor | None, ignore_index: int) -> Tensor:
        present = present_class_weights(label, logits.shape[1], class_weights, ignore_index)
        both, predicted, true = _count_pixels(logits, label, ignore_index)
        index = both / (both + alpha * (predicted - both) + beta * (true - both)).masked_fill(true == 0, 1)
        return weighted_mean(((1 - index) * present).sum(), present.sum())

    return MaskedClassLoss(class_weights, ignore_index, value)


def jaccard(class_weights: Tensor | None, ignore_index: int) -> MaskedClassLoss:
    """Build the Jaccard loss, 1 - |P and T| / |P or T|: one minus the IoU of probabilities.

    Args:
        class_weights: Shape (K,), 0 or more; None for 1 everywhere.
        ignore_index: Label that does not count.
    """
    return tversky(class_weights, ignore_index, alpha=1, beta=1)


def _count_pixels(logits: Tensor, label: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Count the pixels of each class in prediction and label, in the prediction, and in the label: three times (K,)."""
    counted = (label != ignore_index)[:, None]
    probabilities = logits.softmax(1) * counted
    truth = (label[:, None] == torch.arange(logits.shape[1], device=label.device).view(-1, 1, 1)) & counted
    both, predicted, true = (part.sum((0, 2, 3)) for part in (probabilities * truth, probabilities, truth))
    return both, predicted, true
