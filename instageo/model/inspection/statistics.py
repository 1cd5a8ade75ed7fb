"""Statistics of chips and labels: moments that can be merged, samples of pixels, class weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.image import read_layers, scale_layers
from instageo.raster.grid import Window
from instageo.raster.reading import read_info
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
"""How many chips, and how many pixels of each, `sample_pixels` returns at most."""

MAX_WHOLE_PIXELS, SAMPLE_WINDOW, SAMPLE_WINDOWS = 1 << 20, 256, 4
"""Pixels up to which a file is read whole; side and number, along each side, of the windows that are read of others."""


def sample_pixels(rows: Sequence[Row], chip_format: ChipFormat) -> NDArray[np.float32]:
    """Sample valid pixels of every band, shape (C, N); without randomness.

    Raises:
        RasterError: A chip cannot be read.
    """
    sampled = rows[:: -(-len(rows) // MAX_SAMPLED_CHIPS)]
    return np.concatenate([read_sampled_pixels(row.input, chip_format) for row in sampled], axis=1)


def read_sampled_pixels(path: str, chip_format: ChipFormat) -> NDArray[np.float32]:
    """Read valid pixels of every band and date, shape (C, N), evenly spaced; of a scene, from windows of it.

    Raises:
        RasterError: The file cannot be read.
    """
    height, width = read_info(path).grid.shape
    windows: list[Window | None] = [None]
    if height * width > MAX_WHOLE_PIXELS:
        windows = [(rows, columns) for rows in _sample_slices(height) for columns in _sample_slices(width)]
    parts = []
    for window in windows:
        layers = read_layers(path, chip_format, window)
        image = scale_layers(layers.values, layers.valid, chip_format, path, layers.choice.scaling)
        parts.append(image[:, layers.valid])
    values = np.concatenate(parts, axis=1)
    return values[:, :: max(1, -(-values.shape[1] // MAX_SAMPLED_PIXELS))]


def _sample_slices(length: int) -> list[slice]:
    """Return evenly spaced parts of one side of a scene, which do not overlap."""
    count = min(SAMPLE_WINDOWS, -(-length // SAMPLE_WINDOW))
    starts = np.linspace(0, max(length - SAMPLE_WINDOW, 0), count).astype(int).tolist()
    return [slice(start, min(start + SAMPLE_WINDOW, length)) for start in dict.fromkeys(starts)]
