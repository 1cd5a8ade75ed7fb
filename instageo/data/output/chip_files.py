"""Write the chip of several dates, with its masks applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.item import Item
from instageo.data.reading.step_pixels import StepPixels
from instageo.data.sources.source import CHIP_NO_DATA
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster
from instageo.version import __version__


@dataclass(frozen=True)
class ChipImage:
    """A chip of several dates.

    Attributes:
        values: Shape (T * B, H, W), dates one after another, -9999 without an observation.
        valid: Share of pixels with an observation at each date, after masking.
        clear: Share of clear pixels at each date, before masking; None without a quality layer.
        saturated: How many values lay beyond the type's range.
    """

    values: NDArray[np.generic]
    valid: tuple[float, ...]
    clear: tuple[float | None, ...]
    saturated: int


def join_dates(
    steps: Sequence[StepPixels | None], num_bands: int, shape: tuple[int, int], *, mask_any: bool, dtype: str
) -> ChipImage:
    """Return the chip of several dates; masks set no-data and change no value.

    Args:
        steps: Pixels of each date; None for a date without an image, which is filled with no-data.
        num_bands: Bands of a date.
        shape: Rows and columns.
        mask_any: Whether a pixel that is covered at one date is masked at all dates.
        dtype: Type of the values.
    """
    covers = [np.zeros(shape, bool) if step is None or step.quality is None else step.quality.covered for step in steps]
    if mask_any:
        covers = [np.logical_or.reduce(covers)] * len(covers)
    layers: list[NDArray[np.generic]] = []
    valid: list[float] = []
    clear: list[float | None] = []
    for step, covered in zip(steps, covers, strict=True):
        if step is None:
            layers.append(np.full((num_bands, *shape), CHIP_NO_DATA, dtype))
            valid.append(0.0)
            clear.append(0.0)
            continue
        layers.append(np.where(covered, np.array(CHIP_NO_DATA, dtype), step.values).astype(dtype))
        valid.append(float((step.valid & ~covered).mean()))
        clear.append(None if step.quality is None else step.quality.clear)
    saturated = sum(step.saturated for step in steps if step is not None)
    return ChipImage(np.concatenate(layers), tuple(valid), tuple(clear), saturated)


def write_chip(path: Path, image: ChipImage, grid: Grid, bands: Sequence[str], items: Sequence[Item | None],
               tags: dict[str, str]) -> None:  # fmt: skip
    """Write a chip as GeoTIFF, with what it was made of in its tags.

    Args:
        path: Output file.
        image: Its pixels.
        grid: Position of the pixels.
        bands: Names of the bands of a date.
        items: Image of each date; None for a date without one.
        tags: Further tags.
    """
    own = {
        "DATES": ";".join("" if item is None else item.time.date().isoformat() for item in items),
        "ITEMS": ";".join("" if item is None else item.id for item in items),
        "BASELINES": ";".join("" if item is None else item.baseline for item in items),
        "PROGRAM": f"InstaGeo-Model {__version__}",
    }
    names = [*bands] * len(items)
    write_raster(path, image.values, grid, no_data_value=CHIP_NO_DATA, bands=names, tags=own | tags)
