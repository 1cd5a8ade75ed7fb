"""ROC-AUC and average precision of any number of pixels in fixed memory, from histograms of probabilities."""

import torch
from torch import Tensor

DROPPED_BITS = 16
"""Number of last bits dropped from the 32 of a probability; the rest, bfloat16, has 128 steps to each halving."""

HALF_BINS = 0x3F000000 >> DROPPED_BITS
BINS = 2 * HALF_BINS
"""Bins of a histogram, 32256: a probability p up to 1/2 is binned by its leading bits from the lower end, one above by
those of 1 - p from the upper end, so that values near 1 are resolved as finely as near 0. Bin 0 is for pixels that do
not count."""

ONE_BITS = 0x3F800000
ODDS_DROPPED_BITS = 12
"""Number of last bits dropped from the 32 of 1 + |log-odds|; the rest has 2048 steps to each doubling."""

ODDS_HALF_BINS = 7 << (23 - ODDS_DROPPED_BITS)
ODDS_BINS = 2 * ODDS_HALF_BINS + 1
"""Bins of a histogram of log-odds, 28673: steps of 1/2000 next to 0 that grow to 1/32 at 127. Bin 0 is for samples that
do not count."""

MAX_LOGIT_GAP = 80.0
"""Logits further below the highest of their pixel count as this far; exp(-80) is about the least in float32."""


def bin_binary(log_odds: Tensor) -> Tensor:
    """Return bins 1..BINS - 1, int32, of probabilities given as log-odds, float32, which are overwritten."""
    log_odds.clamp_(-MAX_LOGIT_GAP, MAX_LOGIT_GAP)
    return _bins(log_odds.sigmoid(), log_odds.neg_().sigmoid_())


def bin_log_odds(log_odds: Tensor) -> Tensor:
    """Return bins 1..ODDS_BINS - 1, int32, of log-odds, float32; fine enough where all are close to 0."""
    steps = (log_odds.abs() + 1).view(torch.int32).sub_(ONE_BITS).bitwise_right_shift_(ODDS_DROPPED_BITS)
    magnitude = steps.clamp_(max=ODDS_HALF_BINS - 1)
    return ODDS_HALF_BINS + torch.where(log_odds > 0, magnitude + 1, -magnitude)


def bin_multiclass(below_highest: Tensor, predicted: Tensor) -> Tensor:
    """Return bins 1..BINS - 1 of the softmax probabilities of three or more classes.

    Args:
        below_highest: Logits minus the highest of their pixel, shape (K, N), float32; overwritten.
        predicted: Class of the highest logit, shape (N,).

    Returns:
        Shape (K, N), int32.
    """
    index = predicted.long()[None]
    # 1 - p of the highest class follows from the sum over the others, not from a difference that would lose digits
    others = below_highest.clamp_(min=-MAX_LOGIT_GAP).exp_().scatter_(0, index, 0)
    rest = others.sum(0)
    share = 1 / (1 + rest)
    bins = _leading_bits(others.mul_(share))
    return bins.scatter_(0, index, _bins(share, rest.mul_(share))[None])


def _bins(probability: Tensor, complement: Tensor) -> Tensor:
    """Return bins of probabilities p, given with 1 - p; both are overwritten."""
    lower, upper = (_leading_bits(side).clamp_(max=HALF_BINS) for side in (probability, complement))
    return lower - upper + HALF_BINS


def _leading_bits(probability: Tensor) -> Tensor:
    """Return whole numbers that rise with the probability, which is overwritten."""
    return probability.view(torch.int32).bitwise_right_shift_(DROPPED_BITS)


def roc_auc(histogram: Tensor) -> Tensor:
    """Return the area under the ROC curve of each class against the rest; NaN where one side has no pixel.

    It is the probability that a pixel of the class ranks above one of the rest, ties counting half (Mann-Whitney), with
    ranks as fine as the bins.

    Args:
        histogram: Number of pixels by class, (rest, class) and rising probability, shape (K, 2, bins).
    """
    return torch.stack([_area(rest.double(), own.double()) for rest, own in histogram])


def _area(rest: Tensor, own: Tensor) -> Tensor:
    below = rest.cumsum(0) - rest / 2
    return own @ below / (own.sum() * rest.sum())


def average_precision(histogram: Tensor) -> Tensor:
    """Return the area under the precision-recall curve of each class, in steps; NaN where the class has no pixel.

    It is the mean, over the pixels of the class, of the precision among all that rank as high or higher
    (scikit-learn's `average_precision_score`), with ranks as fine as the bins.

    Args:
        histogram: Number of pixels by class, (rest, class) and rising probability, shape (K, 2, bins).
    """
    return torch.stack([_mean_precision(rest.double(), own.double()) for rest, own in histogram])


def _mean_precision(rest: Tensor, own: Tensor) -> Tensor:
    hits, others = own.flip(0).cumsum(0), rest.flip(0).cumsum(0)
    return own.flip(0) @ (hits / (hits + others).clamp(min=1)) / own.sum()
