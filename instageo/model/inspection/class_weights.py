"""Compute class weights from the labelled pixels of each class."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def effective_number(counts: Numbers) -> Numbers:
    """Return N (1 - (1 - 1/N)^count) (Cui et al. 2019), N the mean of the counts.

    A frequent class counts for N at most, a rare one for nearly all its pixels.
    """
    size = max(float(counts.mean()), 1 + 1e-9)
    numbers: Numbers = -size * np.expm1(counts * np.log1p(-1 / size))
    return numbers


WEIGHTINGS: dict[str, Callable[[Numbers], Numbers]] = {
    "inverse": lambda counts: counts,
    "sqrt": np.sqrt,
    "effective": effective_number,
}
"""By `train.class_weights`: computes, from the pixels of each class, what its weight is inversely proportional to."""


def compute_class_weights(counts: Sequence[int], weighting: str = "inverse") -> list[float]:
    """Compute the weight of each class; 0 for a class without pixels.

    A labelled pixel weighs, on average, the share of the classes that occur: 1 if all do. So `inverse` is
    total / (classes x count).

    Args:
        counts: Labelled pixels per class.
        weighting: Key of `WEIGHTINGS`.
    """
    all_counts = np.asarray(counts, dtype=np.float64)
    occurs = all_counts > 0
    if not occurs.any():
        return [0.0] * len(all_counts)
    present = all_counts[occurs]
    sizes = WEIGHTINGS[weighting](present)
    weights = np.zeros_like(all_counts)
    weights[occurs] = present.sum() * len(present) / (len(all_counts) * (present / sizes).sum() * sizes)
    return [float(weight) for weight in weights]
