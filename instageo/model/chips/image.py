"""Read chips: the layers of a file become dates and bands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Grid, Raster, Window
from instageo.raster.reading import open_raster
from instageo.wording import counted

Float = TypeVar("Float", np.float32, np.float64)


@dataclass(frozen=True)
class ChipFormat:
    """How the layers of a file become dates and bands.

    Attributes:
        temporal_dim: Number of dates per chip.
        bands: 0-based positions in the file, time-major; None for all layers.
        no_data_value: Value that means "no observation", in addition to the file's no-data tag and NaN.
        multiplier: Factor that stored values are multiplied by.
        offset: Added after the multiplication.
        max_value: Larger scaled values are clipped to it; None for no limit.
    """

    temporal_dim: int = 1
    bands: tuple[int, ...] | None = None
    no_data_value: float | None = None
    multiplier: float = 1.0
    offset: float = 0.0
    max_value: float | None = None

    def rescale(self, values: NDArray[Float], valid: NDArray[np.bool_] | bool = True) -> NDArray[Float]:
        """Convert stored values, in place, to the unit of the network's mean and std; zeros stay where invalid."""
        dtype = values.dtype.type
        if self.multiplier != 1:
            values *= dtype(self.multiplier)
        if self.offset:
            np.add(values, dtype(self.offset), out=values, where=valid)
        if self.max_value is not None:
            np.minimum(values, dtype(self.max_value), out=values)
        return values


@dataclass(frozen=True)
class ChipLayers:
    """The requested layers of a chip as stored.

    Attributes:
        values: Shape (T x C, H, W), time-major, in the file's own type.
        valid: Shape (T, H, W), False where any band of that date has no observation.
        grid: Position of the pixels on Earth.
        tags: Metadata tags of the file, by upper-case name.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    grid: Grid
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chip:
    """A decoded chip.

    Attributes:
        image: Shape (C, T, H, W), float32, scaled but not normalised.
        valid: Shape (T, H, W), False where any band of that date has no observation.
        grid: Position of the pixels on Earth.
        tags: Metadata tags of the file, by upper-case name.
    """

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    grid: Grid
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.image.shape[1:] != self.valid.shape or self.valid.shape[1:] != self.grid.shape:
            raise ValueError(f"image {self.image.shape}, valid {self.valid.shape}, grid {self.grid.shape}")


def read_chip(path: str | Path, chip_format: ChipFormat) -> Chip:
    """Read and decode a chip.

    Raises:
        RasterError: The file is missing or unreadable, or its layers do not divide evenly into dates.
    """
    layers = read_layers(path, chip_format)
    return Chip(scale_layers(layers.values, layers.valid, chip_format), layers.valid, layers.grid, layers.tags)


def read_layers(path: str | Path, chip_format: ChipFormat, window: Window | None = None) -> ChipLayers:
    """Read the requested layers of a chip, whole or in a window, and the validity mask of each date.

    Raises:
        RasterError: The file is missing or unreadable, or its layers do not divide evenly into dates.
    """
    with open_raster(path) as file:
        bands = range(file.info.num_layers) if chip_format.bands is None else chip_format.bands
        raster = file.read(bands, chip_format.no_data_value, window)
    return split_dates(raster, chip_format, str(path))


def split_dates(raster: Raster, chip_format: ChipFormat, path: str) -> ChipLayers:
    """Compute the validity mask of each date from that of the layers; `path` is used in messages.

    Raises:
        RasterError: The layers do not divide evenly into dates.
    """
    num_layers, num_dates = len(raster.values), chip_format.temporal_dim
    if num_layers % num_dates:
        raise RasterError(
            f"{path}: {counted(num_layers, 'layer')} cannot be divided evenly into {num_dates} dates; "
            "correct dataloader.temporal_dim or list the layers in dataloader.bands"
        )
    valid: NDArray[np.bool_] = np.all(raster.valid.reshape(num_dates, -1, *raster.grid.shape), axis=1)
    return ChipLayers(raster.values, valid, raster.grid, raster.tags)


def scale_layers(values: NDArray[np.generic], valid: NDArray[np.bool_], chip_format: ChipFormat) -> NDArray[np.float32]:
    """Convert stored layers to an image in the unit of the network's mean and std.

    Args:
        values: Shape (T x C, H, W), time-major.
        valid: Shape (T, H, W).
        chip_format: Number of dates and scale.

    Returns:
        A new array (C, T, H, W), 0 where the date is invalid.
    """
    stored = split_bands(values, chip_format)
    with np.errstate(over="ignore"):  # no-data values in float64 may be beyond float32
        image = np.array(stored, dtype=np.float32, order="C")
    if not valid.all():
        bits = image.view(np.int32)  # masking the bits is faster than `where` and works for NaN
        bits &= -valid.astype(np.int32)
    return chip_format.rescale(image, valid)


def split_bands(values: NDArray[np.generic], chip_format: ChipFormat) -> NDArray[np.generic]:
    """Reshape stored layers (T x C, H, W), time-major, to (C, T, H, W)."""
    return values.reshape(chip_format.temporal_dim, -1, *values.shape[1:]).swapaxes(0, 1)
