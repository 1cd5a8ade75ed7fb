"""Statistics of chips and labels: moments that can be merged, samples of pixels, class weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.image import read_chip
from instageo.table import Row

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Count, mean, squared deviations and range of valid pixels, in float64.

    Attributes:
        count: Number of valid pixels (over all dates).
        mean: Shape (C,).
        deviations: Shape (C,), sum of (value - mean)^2.
        low: Shape (C,), smallest value; infinity without valid pixels.
        high: Shape (C,), largest value; minus infinity without valid pixels.
        pixels: Number of pixels, valid or not.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the moments as JSON can hold them."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "Moments":
        """Return the moments that `to_dict` was called on."""
        arrays: dict[str, Any] = {
            name: np.array(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return Moments(**arrays)


def compute_moments(
    values: NDArray[np.generic], valid: NDArray[np.bool_], rescale: Callable[[Numbers], Numbers] = lambda band: band
) -> Moments:
    """Compute the moments of the valid pixels of one chip.

    Args:
        values: Shape (C, *pixels), as stored.
        valid: Shape (*pixels,).
        rescale: Converts stored values, float64, to the requested unit.
    """
    all_valid = bool(valid.all())
    bands = [_band_moments(rescale((band.ravel() if all_valid else band[valid]).astype(np.float64))) for band in values]
    mean, deviations, low, high = np.array(bands).T
    return Moments(int(np.count_nonzero(valid)), mean, deviations, low, high, valid.size)


def _band_moments(values: Numbers) -> tuple[float, float, float, float]:
    """Compute mean, squared deviations, smallest and largest value of one band, which fits the processor's cache."""
    if not values.size:
        return 0.0, 0.0, np.inf, -np.inf
    low, high, mean = values.min(), values.max(), values.mean()
    values -= mean
    return float(mean), float(values @ values), float(low), float(high)


def merge_moments(first: Moments, second: Moments) -> Moments:
    """Merge the moments of two sets (Chan, Golub and LeVeque 1979)."""
    count, pixels = first.count + second.count, first.pixels + second.pixels
    low, high = np.minimum(first.low, second.low), np.maximum(first.high, second.high)
    if count == 0:
        return Moments(0, first.mean, first.deviations, low, high, pixels)
    step = second.mean - first.mean
    mean = first.mean + step * (second.count / count)
    deviations = first.deviations + second.deviations + step**2 * (first.count * second.count / count)
    return Moments(count, mean, deviations, low, high, pixels)


MAX_SAMPLED_CHIPS, MAX_SAMPLED_PIXELS = 32, 20_000
"""How many chips, and how many pixels of each, `sample_pixels` reads at most."""


def sample_pixels(rows: Sequence[Row], chip_format: ChipFormat) -> NDArray[np.float32]:
    """Sample valid pixels of every band, shape (C, N); without randomness.

    Raises:
        RasterError: A chip cannot be read.
    """
    parts = []
    for row in rows[:: -(-len(rows) // MAX_SAMPLED_CHIPS)]:
        chip = read_chip(row.input, chip_format)
        values = chip.image[:, chip.valid]
        parts.append(values[:, :: max(1, -(-values.shape[1] // MAX_SAMPLED_PIXELS))])
    return np.concatenate(parts, axis=1)
