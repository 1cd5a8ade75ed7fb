"""From the layers of a file to dates and bands, and from label values to classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.raster import Grid, Raster, read_raster


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


@dataclass(frozen=True)
class LabelFormat:
    """How the values of a label file become classes.

    Attributes:
        num_classes: Classes are 0..num_classes - 1.
        ignore_index: Label that does not count, in the file and in memory.
        reduce_to_zero: The file counts classes from 1; its 0 is ignored.
        replace_label: (from, to), applied to the file's values before anything else.
    """

    num_classes: int
    ignore_index: int = -1
    reduce_to_zero: bool = False
    replace_label: tuple[int, int] | None = None


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
    return decode(read_raster(path, form.bands, form.no_data_value), form, str(path))


def decode(raster: Raster, form: ChipFormat, path: str) -> Chip:
    """Layers, already in the wanted order, as dates and bands; `path` is for messages."""
    layers, dates = len(raster.values), form.temporal_dim
    if layers % dates:
        raise RasterError(
            f"{path}: {layers} layers are no whole number of bands for {dates} dates; "
            "correct dataloader.temporal_dim or list the layers in dataloader.bands"
        )
    values = np.where(raster.valid, raster.values, 0).astype(np.float32)
    values *= np.float32(form.multiplier)
    np.add(values, np.float32(form.offset), out=values, where=raster.valid)
    if form.limit is not None:
        np.minimum(values, np.float32(form.limit), out=values)
    by_date = (dates, layers // dates, *raster.grid.shape)
    valid: NDArray[np.bool_] = np.all(raster.valid.reshape(by_date), axis=1)
    return Chip(np.ascontiguousarray(values.reshape(by_date).swapaxes(0, 1)), valid, raster.grid, raster.tags)


def read_label(path: str | Path, form: LabelFormat) -> NDArray[np.int64]:
    """Decode a label file to classes, shape (H, W); no-data, NaN and the ignored value become `ignore_index`.

    Raises:
        RasterError: Missing, unreadable, or with fractional values.
        DataError: It has values outside the classes; the message lists them.
    """
    raster = read_raster(path, [0])
    stored, usable = raster.values[0], raster.valid[0].copy()
    label = np.where(usable, stored, 0).astype(np.int64)
    if stored.dtype.kind == "f" and (label != np.where(usable, stored, 0)).any():
        raise RasterError(f"{path}: label values are fractional; expected whole class numbers")
    if form.replace_label is not None:
        label[label == form.replace_label[0]] = form.replace_label[1]
    usable &= label != form.ignore_index
    if form.reduce_to_zero:
        usable &= label != 0
        label -= 1
    outside = np.unique(label[usable & ((label < 0) | (label >= form.num_classes))])
    if outside.size:
        shown = (outside + form.reduce_to_zero).tolist()[:8]
        first = int(form.reduce_to_zero)
        raise DataError(
            f"{path}: label values {shown} are outside the classes {first}..{first + form.num_classes - 1}; "
            "correct model.num_classes, train.ignore_index, dataloader.replace_label or dataloader.reduce_to_zero"
        )
    return np.where(usable, label, form.ignore_index)
