"""Mean and standard deviation of valid pixels in float64, from parts that can be merged."""

from collections.abc import Callable
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


def moments(
    values: NDArray[np.generic], valid: NDArray[np.bool_], to_unit: Callable[[Numbers], Numbers] = lambda band: band
) -> Moments:
    """Moments of the valid pixels of one chip.

    Args:
        values: Shape (C, *pixels), as stored.
        valid: Shape (*pixels,).
        to_unit: From stored values, float64, to the wanted unit.
    """
    every = bool(valid.all())
    found = [_band_moments(to_unit((band.ravel() if every else band[valid]).astype(np.float64))) for band in values]
    mean, deviations, low, high = np.array(found).T
    return Moments(int(np.count_nonzero(valid)), mean, deviations, low, high, valid.size)


def _band_moments(values: Numbers) -> tuple[float, float, float, float]:
    """Mean, squared deviations, smallest and largest value; band by band, since that stays in the processor's cache."""
    if not values.size:
        return 0.0, 0.0, np.inf, -np.inf
    low, high, mean = values.min(), values.max(), values.mean()
    values -= mean
    return float(mean), float(values @ values), float(low), float(high)


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
