"""From the layers of a file to dates and bands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Grid, Raster, Window
from instageo.raster.reading import read_raster

Float = TypeVar("Float", np.float32, np.float64)


@dataclass(frozen=True)
class ChipFormat:
    """How the layers of a file become dates and bands.

    Attributes:
        temporal_dim: Dates per chip.
        bands: 0-based positions in the file, time-major; None for all layers.
        no_data_value: Value that means "no observation", besides the file's own tag and NaN.
        multiplier: Factor on the stored values.
        offset: Added after the factor.
        limit: Larger scaled values are cut to it; None for no limit.
    """

    temporal_dim: int = 1
    bands: tuple[int, ...] | None = None
    no_data_value: float | None = None
    multiplier: float = 1.0
    offset: float = 0.0
    limit: float | None = None

    def to_unit(self, values: NDArray[Float], valid: NDArray[np.bool_] | bool = True) -> NDArray[Float]:
        """Stored values in the unit of the network's statistics, changed in place; zeros stay where invalid."""
        kind = values.dtype.type
        if self.multiplier != 1:
            values *= kind(self.multiplier)
        if self.offset:
            np.add(values, kind(self.offset), out=values, where=valid)
        if self.limit is not None:
            np.minimum(values, kind(self.limit), out=values)
        return values


@dataclass(frozen=True)
class ChipLayers:
    """The wanted layers of a chip as stored.

    Attributes:
        values: Shape (T x C, H, W), time-major, in the file's own type.
        valid: Shape (T, H, W), False where any band of that date has no observation.
        grid: Where the pixels lie.
        tags: Further text of the file, by upper-case name.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    grid: Grid
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chip:
    """One decoded chip.

    Attributes:
        image: Shape (C, T, H, W), float32, scaled but not normalised.
        valid: Shape (T, H, W), False where any band of that date has no observation.
        grid: Where the pixels lie.
        tags: Further text of the file, by upper-case name.
    """

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    grid: Grid
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.shape[1:] != self.valid.shape or self.valid.shape[1:] != self.grid.shape:
            raise ValueError(f"image {self.image.shape}, valid {self.valid.shape}, grid {self.grid.shape}")


def read_chip(path: str | Path, form: ChipFormat) -> Chip:
    """Decode a chip.

    Raises:
        RasterError: Missing, unreadable, or its layers are no whole number of dates.
    """
    layers = read_layers(path, form)
    return Chip(scale_layers(layers.values, layers.valid, form), layers.valid, layers.grid, layers.tags)


def read_layers(path: str | Path, form: ChipFormat, window: Window | None = None) -> ChipLayers:
    """Read the wanted layers of a chip, all of it or a window, and which dates are valid.

    Raises:
        RasterError: Missing, unreadable, or its layers are no whole number of dates.
    """
    return split_dates(read_raster(path, form.bands, form.no_data_value, window), form, str(path))


def split_dates(raster: Raster, form: ChipFormat, path: str) -> ChipLayers:
    """Layers in the wanted order with the mask of each date, see `read_layers`; `path` is for messages."""
    layers, dates = len(raster.values), form.temporal_dim
    if layers % dates:
        raise RasterError(
            f"{path}: {layers} layers are no whole number of bands for {dates} dates; "
            "correct dataloader.temporal_dim or list the layers in dataloader.bands"
        )
    valid: NDArray[np.bool_] = np.all(raster.valid.reshape(dates, -1, *raster.grid.shape), axis=1)
    return ChipLayers(raster.values, valid, raster.grid, raster.tags)


def scale_layers(values: NDArray[np.generic], valid: NDArray[np.bool_], form: ChipFormat) -> NDArray[np.float32]:
    """Stored layers in the unit of the network's statistics.

    Args:
        values: Shape (T x C, H, W), time-major.
        valid: Shape (T, H, W).
        form: Says dates and scale.

    Returns:
        A new array (C, T, H, W), 0 where the date is invalid.
    """
    stored = split_bands(values, form)
    with np.errstate(over="ignore"):  # of no-data in float64
        image = np.array(stored, dtype=np.float32, order="C")
    if not valid.all():
        bits = image.view(np.int32)  # hidden by bits, which is faster than `where` and works for NaN
        bits &= -valid.astype(np.int32)
    return form.to_unit(image, valid)


def split_bands(values: NDArray[np.generic], form: ChipFormat) -> NDArray[np.generic]:
    """Stored layers (T x C, H, W), time-major, as (C, T, H, W)."""
    return values.reshape(form.temporal_dim, -1, *values.shape[1:]).swapaxes(0, 1)
