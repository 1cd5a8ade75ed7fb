"""Pictures of single chips, as PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.files import atomic_path
from instageo.raster.grid import Raster

COLOURS = ("RED", "GREEN", "BLUE")

NO_DATA_COLOUR = (214, 39, 140)
"""Colour of pixels without an observation, which no land has."""

MOST_PIXELS = 224
"""Longest side of a picture, pixels; larger chips are thinned out."""


def write_chip_picture(path: Path, chip: Raster, bands: Sequence[str]) -> None:
    """Draw the dates of a chip side by side in red, green and blue, or in its first three bands.

    Args:
        path: Output file.
        chip: Its layers, one date after another.
        bands: Names of the bands of a date.
    """
    from matplotlib.image import imsave

    step = max(1, -(-max(chip.grid.shape) // MOST_PIXELS))
    shape = (-1, len(bands), *chip.grid.shape)
    values, valid = (part.reshape(shape)[:, :, ::step, ::step] for part in (chip.values, chip.valid))
    chosen = [bands.index(name) for name in COLOURS] if set(COLOURS) <= set(bands) else _first_three(len(bands))
    dates = [_draw(own[chosen], observed.all(axis=0)) for own, observed in zip(values, valid, strict=True)]
    gap = np.full((dates[0].shape[0], 2, 3), 255, np.uint8)
    parts = [part for date in dates for part in (gap, date)][1:]
    with atomic_path(path, sync=False) as temporary:
        imsave(temporary, np.concatenate(parts, axis=1), format="png")


def _draw(layers: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return three bands as colours, stretched together between their 2nd and 98th percentile."""
    image = layers.astype(np.float64)
    low, high = np.percentile(image[:, valid], (2, 98)) if valid.any() else (0.0, 1.0)
    scaled = np.clip((np.where(valid, image, low) - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.where(valid[..., None], scaled.transpose(1, 2, 0), NO_DATA_COLOUR).astype(np.uint8)


def _first_three(number: int) -> list[int]:
    return [min(index, number - 1) for index in range(3)]
