"""Mean and standard deviation of valid pixels in float64, from parts that can be merged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Count, mean, squared deviations and range of valid pixels.

    Attributes:
        count: Valid pixels (over all dates).
        mean: Shape (C,).
        deviations: Shape (C,), sum of (value - mean)^2.
        low: Shape (C,), smallest value; infinite where there is none.
        high: Shape (C,), largest value; minus infinity where there is none.
        pixels: All pixels, valid or not.
    """

    count: int
    mean: Numbers
    deviations: Numbers
    low: Numbers
    high: Numbers
    pixels: int

    @property
    def std(self) -> Numbers:
        """Standard deviation over all pixels, shape (C,)."""
        return np.sqrt(self.deviations / self.count)


def moments(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> Moments:
    """Moments of the valid pixels of one chip: values of shape (C, *pixels), valid of shape (*pixels,)."""
    bands = values.reshape(len(values), -1)
    chosen = bands if valid.all() else bands[:, valid.reshape(-1)]
    count = chosen.shape[1]
    if not count:
        none = np.zeros(len(bands))
        return Moments(0, none, none.copy(), none + np.inf, none - np.inf, valid.size)
    wide = chosen.astype(np.float64)
    low, high, mean = wide.min(axis=1), wide.max(axis=1), wide.mean(axis=1)
    wide -= mean[:, None]
    return Moments(count, mean, np.einsum("cp,cp->c", wide, wide), low, high, valid.size)


def merge(first: Moments, second: Moments) -> Moments:
    """Moments of both sets together (Chan, Golub and LeVeque 1979)."""
    count, pixels = first.count + second.count, first.pixels + second.pixels
    low, high = np.minimum(first.low, second.low), np.maximum(first.high, second.high)
    if count == 0:
        return Moments(0, first.mean, first.deviations, low, high, pixels)
    step = second.mean - first.mean
    mean = first.mean + step * (second.count / count)
    deviations = first.deviations + second.deviations + step**2 * (first.count * second.count / count)
    return Moments(count, mean, deviations, low, high, pixels)
