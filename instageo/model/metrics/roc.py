"""ROC-AUC and average precision of any number of pixels in fixed memory: histograms of probabilities."""

import torch
from torch import Tensor

DROPPED_BITS = 16
"""Of the 32 bits of a probability, the last ones; what is left, bfloat16, tells 128 steps to each halving apart."""

HALF = 0x3F000000 >> DROPPED_BITS
BINS = 2 * HALF
"""Bins of a histogram, 32256: a probability up to 1/2 goes by its leading bits from the lower end, one above by those
of 1 - p from the upper end, so that values near 1 are told apart as finely as near 0. Bin 0 is for pixels that do not
count."""

ONE = 0x3F800000
ODDS_BITS = 12
"""Of the 32 bits of 1 + |log-odds|, the last ones that are dropped: 2048 steps to each doubling are told apart."""

ODDS_HALF = 7 << (23 - ODDS_BITS)
ODDS_BINS = 2 * ODDS_HALF + 1
"""Bins of a histogram of log-odds, 28673: steps of 1/2000 next to 0 that grow to 1/32 at 127. Bin 0 is for what does
not count."""

DEEPEST = 80.0
"""Logits further below the highest of their pixel count as that far; exp(-80) is about the least in float32."""


def bin_binary(log_odds: Tensor) -> Tensor:
    """The bins, 1..BINS - 1, int32, of probabilities given as log-odds, float32, of the same shape; overwrites them."""
    log_odds.clamp_(-DEEPEST, DEEPEST)
    return _bins(log_odds.sigmoid(), log_odds.neg_().sigmoid_())


def bin_log_odds(log_odds: Tensor) -> Tensor:
    """The bins, 1..ODDS_BINS - 1, int32, of log-odds, float32, of the same shape; even where all are close to 0."""
    size = (log_odds.abs() + 1).view(torch.int32).sub_(ONE).bitwise_right_shift_(ODDS_BITS).clamp_(max=ODDS_HALF - 1)
    return ODDS_HALF + torch.where(log_odds > 0, size + 1, -size)


def bin_multiclass(below: Tensor, highest: Tensor) -> Tensor:
    """The bins, 1..BINS - 1, of the softmax probabilities of three or more classes.

    Args:
        below: Logits minus the highest of their pixel, shape (K, N), float32; overwritten.
        highest: Class of the highest logit, shape (N,).

    Returns:
        Shape (K, N), int32.
    """
    place = highest.long()[None]
    others = below.clamp_(min=-DEEPEST).exp_().scatter_(0, place, 0)  # so that 1 - p of the highest is no difference
    rest = others.sum(0)
    share = 1 / (1 + rest)
    bins = _leading_bits(others.mul_(share))
    return bins.scatter_(0, place, _bins(share, rest.mul_(share))[None])


def _bins(probability: Tensor, lacking: Tensor) -> Tensor:
    """Bins of probabilities given with what they lack to 1; overwrites both."""
    return _leading_bits(probability).clamp_(max=HALF) - _leading_bits(lacking).clamp_(max=HALF) + HALF


def _leading_bits(probability: Tensor) -> Tensor:
    """Whole numbers that rise with the probability; overwrites it."""
    return probability.view(torch.int32).bitwise_right_shift_(DROPPED_BITS)


def roc_auc(histogram: Tensor) -> Tensor:
    """Area under the ROC curve of each class against the rest; NaN where one side has no pixel.

    The probability that a pixel of the class ranks above one of the rest, ties counting half (Mann-Whitney), with
    ranks as fine as the bins.

    Args:
        histogram: Pixels by class, (rest, class) and rising probability, shape (K, 2, bins).
    """
    return torch.stack([_area(rest.double(), own.double()) for rest, own in histogram])


def _area(rest: Tensor, own: Tensor) -> Tensor:
    below = rest.cumsum(0) - rest / 2
    return own @ below / (own.sum() * rest.sum())


def average_precision(histogram: Tensor) -> Tensor:
    """Area under the curve of precision over recall of each class, in steps; NaN where the class has no pixel.

    The mean, over the pixels of the class, of the precision among all that rank as high or higher (scikit-learn's
    `average_precision_score`), with ranks as fine as the bins.

    Args:
        histogram: Pixels by class, (rest, class) and rising probability, shape (K, 2, bins).
    """
    return torch.stack([_mean_precision(rest.double(), own.double()) for rest, own in histogram])


def _mean_precision(rest: Tensor, own: Tensor) -> Tensor:
    hits, others = own.flip(0).cumsum(0), rest.flip(0).cumsum(0)
    return own.flip(0) @ (hits / (hits + others).clamp(min=1)) / own.sum()
