"""Mean and standard deviation of valid pixels in float64, from parts that can be merged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.model.chips.image import ChipFormat, read_chip
from instageo.table import Row

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


def compute_moments(
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


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Moments of both sets together (Chan, Golub and LeVeque 1979)."""
    count, pixels = first.count + second.count, first.pixels + second.pixels
    low, high = np.minimum(first.low, second.low), np.maximum(first.high, second.high)
    if count == 0:
        return Moments(0, first.mean, first.deviations, low, high, pixels)
    step = second.mean - first.mean
    mean = first.mean + step * (second.count / count)
    deviations = first.deviations + second.deviations + step**2 * (first.count * second.count / count)
    return Moments(count, mean, deviations, low, high, pixels)


def effective_number(counts: Numbers) -> Numbers:
    """N (1 - (1 - 1/N)^count) (Cui et al. 2019), N the mean of the counts.

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
"""By `train.class_weights`: what a class's weight is inversely proportional to, from the classes' pixels."""


def compute_class_weights(counts: Sequence[int], weighting: str = "inverse") -> list[float]:
    """Weight of each class; 0 for a class without pixels.

    A labelled pixel weighs, on average, the share of the classes that occur: 1 if all do. So `inverse` is
    total / (classes x count).

    Args:
        counts: Labelled pixels per class.
        weighting: Key of `WEIGHTINGS`.
    """
    every = np.asarray(counts, dtype=np.float64)
    occurs = every > 0
    if not occurs.any():
        return [0.0] * len(every)
    present = every[occurs]
    sizes = WEIGHTINGS[weighting](present)
    weights = np.zeros_like(every)
    weights[occurs] = present.sum() * len(present) / (len(every) * (present / sizes).sum() * sizes)
    return [float(weight) for weight in weights]


SAMPLED_CHIPS, SAMPLED_PIXELS = 32, 20_000
"""Chips at most, and pixels at most of each."""


def sample_pixels(rows: Sequence[Row], form: ChipFormat) -> NDArray[np.float32]:
    """Valid pixels of every band, shape (C, N); without randomness.

    Raises:
        RasterError: A chip cannot be read.
    """
    parts = []
    for row in rows[:: -(-len(rows) // SAMPLED_CHIPS)]:
        chip = read_chip(row.input, form)
        values = chip.image[:, chip.valid]
        parts.append(values[:, :: max(1, -(-values.shape[1] // SAMPLED_PIXELS))])
    return np.concatenate(parts, axis=1)
