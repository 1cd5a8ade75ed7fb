"""Read chips: the layers of a file become dates and bands."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.model.chips.chip_format import ChipFormat, LayerScaling
from instageo.model.chips.fill_values import check_magnitude
from instageo.model.chips.layer_choice import LayerChoice, choose_layers
from instageo.model.chips.radar import describe_other_unit, is_backscatter, refuse_decibels
from instageo.raster.grid import Grid, Raster, Window
from instageo.raster.reading import OpenRaster, open_raster
from instageo.wording import counted


@dataclass(frozen=True)
class ChipLayers:
    """The requested layers of a chip as stored.

    Attributes:
        values: Shape (T x C, H, W), time-major, in the file's own type.
        valid: Shape (T, H, W), False where any band of that date has no observation.
        grid: Position of the pixels on Earth.
        tags: Metadata tags of the file, by upper-case name.
        choice: Which layers of the file these are, and the unit of their values.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    grid: Grid
    tags: Mapping[str, str] = field(default_factory=dict)
    choice: LayerChoice = field(default_factory=LayerChoice)


@dataclass(frozen=True)
class Chip:
    """A decoded chip.

    Attributes:
        image: Shape (C, T, H, W), float32, scaled but not normalised.
        valid: Shape (T, H, W), False where any band of that date has no observation.
        grid: Position of the pixels on Earth.
        tags: Metadata tags of the file, by upper-case name.
        choice: Which layers of the file were read.
    """

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    grid: Grid
    tags: Mapping[str, str] = field(default_factory=dict)
    choice: LayerChoice = field(default_factory=LayerChoice)

    def __post_init__(self) -> None:
        if self.image.shape[1:] != self.valid.shape or self.valid.shape[1:] != self.grid.shape:
            raise ValueError(f"image {self.image.shape}, valid {self.valid.shape}, grid {self.grid.shape}")


def read_chip(path: str | Path, chip_format: ChipFormat) -> Chip:
    """Read and decode a chip.

    Raises:
        RasterError: The file is missing or unreadable.
        LayerError: Its layers are not those that are expected.
        DataError: A value is too large for any network, or power holds decibels.
    """
    with open_raster(path) as file:
        return read_open_chip(file, chip_format)


def read_open_chip(file: OpenRaster, chip_format: ChipFormat) -> Chip:
    """Read and decode a chip whose file is open; see `read_chip`."""
    layers = read_open_layers(file, chip_format)
    image = scale_layers(layers.values, layers.valid, chip_format, str(file.path), layers.choice.scaling)
    choice = layers.choice
    if chip_format.radar_unit is not None:
        choice = replace(choice, notes=choice.notes + describe_other_unit(image, layers.valid, chip_format.radar_unit))
    return Chip(image, layers.valid, layers.grid, layers.tags, choice)


def read_layers(path: str | Path, chip_format: ChipFormat, window: Window | None = None) -> ChipLayers:
    """Read the requested layers of a chip, whole or in a window, and the validity mask of each date.

    Raises:
        RasterError: The file is missing or unreadable.
        LayerError: Its layers are not those that are expected.
    """
    with open_raster(path) as file:
        return read_open_layers(file, chip_format, window)


def read_open_layers(file: OpenRaster, chip_format: ChipFormat, window: Window | None = None) -> ChipLayers:
    """Read the requested layers of an open file; see `read_layers`."""
    choice = choose_layers(file.info, chip_format, str(file.path))
    raster = file.read(choice.layers, chip_format.no_data_value, window)
    layers = replace(split_dates(raster, chip_format, str(file.path)), choice=choice)
    if chip_format.radar_unit is None:
        return layers
    valid = exclude_no_backscatter(layers.values, layers.valid, chip_format, str(file.path), choice.scaling)
    return replace(layers, valid=valid)


def exclude_no_backscatter(
    values: NDArray[np.generic],
    valid: NDArray[np.bool_],
    chip_format: ChipFormat,
    path: str,
    scaling: LayerScaling | None = None,
) -> NDArray[np.bool_]:
    """Return the validity of radar layers without power of 0 or less and fill values in decibels.

    Args:
        values: Shape (T x C, H, W), time-major, as stored.
        valid: Shape (T, H, W).
        chip_format: Number of dates, scale and unit.
        path: Of the chip, for messages.
        scaling: Factor and offset of each layer; None for those of the settings.

    Raises:
        DataError: Decibels are read as linear power.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # invalid pixels may overflow
        scaled = split_bands(values, chip_format).astype(np.float32)
        chip_format.scale(scaled, scaling=scaling)
    if chip_format.radar_unit == "linear":
        refuse_decibels(scaled, valid, path)
    observed: NDArray[np.bool_] = valid & is_backscatter(scaled, str(chip_format.radar_unit)).all(axis=0)
    return observed


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


def scale_layers(
    values: NDArray[np.generic],
    valid: NDArray[np.bool_],
    chip_format: ChipFormat,
    path: str,
    scaling: LayerScaling | None = None,
    *,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Convert stored layers to an image in the unit of the network's mean and std.

    Args:
        values: Shape (T x C, H, W), time-major.
        valid: Shape (T, H, W).
        chip_format: Number of dates and scale.
        path: Of the chip, for messages.
        scaling: Factor and offset of each layer; None for those of the settings.
        out: Where the image is written, (C, T, H, W); None for a new array.

    Returns:
        The image (C, T, H, W), 0 where the date is invalid.

    Raises:
        DataError: A value is too large for any network.
    """
    stored = split_bands(values, chip_format)
    image = np.empty(stored.shape, np.float32) if out is None else out
    with np.errstate(over="ignore"):  # no-data values in float64 may be beyond float32
        np.copyto(image, stored, casting="unsafe")
    if not valid.all():
        bits = image.view(np.int32)  # masking the bits is faster than `where` and works for NaN
        bits &= -valid.astype(np.int32)
    if chip_format.radar_unit is not None:  # clipped when it is converted
        check_magnitude(image, stored, valid, path)
    image = chip_format.rescale(image, valid, scaling)
    if stored.dtype.kind == "f":
        check_magnitude(image, stored, valid, path)
    return image


def split_bands(values: NDArray[np.generic], chip_format: ChipFormat) -> NDArray[np.generic]:
    """Reshape stored layers (T x C, H, W), time-major, to (C, T, H, W)."""
    return values.reshape(chip_format.temporal_dim, -1, *values.shape[1:]).swapaxes(0, 1)
