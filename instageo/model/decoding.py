"""From the layers of a file to dates and bands, and from label values to classes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.raster import Grid, Raster, Window, read_raster

Float = TypeVar("Float", np.float32, np.float64)

FAR = 2.0**62
"""Labels beyond it, which are no classes, count as this one: no integer holds all that a float does."""


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
    per_chip: ClassVar[bool] = False
    stored: ClassVar[str] = "int32"

    @property
    def unlabelled(self) -> float:
        """The ignored class."""
        return self.ignore_index

    def read(self, label: str, window: Window | None = None) -> NDArray[Any]:
        """See `read_label`."""
        return read_label(label, self, window)

    def decode(self, raster: Raster, path: str) -> NDArray[Any]:
        """See `decode_label`."""
        return decode_label(raster, self, path)

    def labelled(self, label: NDArray[Any]) -> NDArray[np.bool_]:
        """Where there is a class."""
        found: NDArray[np.bool_] = label != self.ignore_index
        return found

    def counts(self, labels: NDArray[Any]) -> tuple[int, ...]:
        """How often each class occurs."""
        return tuple(np.bincount(labels, minlength=self.num_classes).tolist())


@dataclass(frozen=True)
class TargetFormat:
    """How a label of continuous values is read.

    Attributes:
        ignore_value: Value that means "no label", besides the file's own tag and NaN.
        above: Values must be greater, so that their logarithm can be taken; None for any.
        replace_label: (from, to), applied to the file's values before anything else.
    """

    ignore_value: float = -1
    above: float | None = None
    replace_label: tuple[float, float] | None = None
    per_chip: ClassVar[bool] = False
    stored: ClassVar[str] = "float32"
    unlabelled: ClassVar[float] = math.nan

    def read(self, label: str, window: Window | None = None) -> NDArray[Any]:
        """See `read_target`."""
        return read_target(label, self, window)

    def decode(self, raster: Raster, path: str) -> NDArray[Any]:
        """See `decode_target`."""
        return decode_target(raster, self, path)

    def labelled(self, label: NDArray[Any]) -> NDArray[np.bool_]:
        """Where there is a value."""
        found: NDArray[np.bool_] = np.isfinite(label)
        return found


@dataclass(frozen=True)
class Layers:
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
    return Chip(scaled(layers.values, layers.valid, form), layers.valid, layers.grid, layers.tags)


def read_layers(path: str | Path, form: ChipFormat, window: Window | None = None) -> Layers:
    """Read the wanted layers of a chip, all of it or a window, and which dates are valid.

    Raises:
        RasterError: Missing, unreadable, or its layers are no whole number of dates.
    """
    return split_dates(read_raster(path, form.bands, form.no_data_value, window), form, str(path))


def split_dates(raster: Raster, form: ChipFormat, path: str) -> Layers:
    """Layers in the wanted order with the mask of each date, see `read_layers`; `path` is for messages."""
    layers, dates = len(raster.values), form.temporal_dim
    if layers % dates:
        raise RasterError(
            f"{path}: {layers} layers are no whole number of bands for {dates} dates; "
            "correct dataloader.temporal_dim or list the layers in dataloader.bands"
        )
    valid: NDArray[np.bool_] = np.all(raster.valid.reshape(dates, -1, *raster.grid.shape), axis=1)
    return Layers(raster.values, valid, raster.grid, raster.tags)


def scaled(values: NDArray[np.generic], valid: NDArray[np.bool_], form: ChipFormat) -> NDArray[np.float32]:
    """Stored layers in the unit of the network's statistics.

    Args:
        values: Shape (T x C, H, W), time-major.
        valid: Shape (T, H, W).
        form: Says dates and scale.

    Returns:
        A new array (C, T, H, W), 0 where the date is invalid.
    """
    stored = by_band(values, form)
    with np.errstate(over="ignore"):  # of no-data in float64
        image = np.array(stored, dtype=np.float32, order="C")
    if not valid.all():
        bits = image.view(np.int32)  # hidden by bits, which is faster than `where` and works for NaN
        bits &= -valid.astype(np.int32)
    return form.to_unit(image, valid)


def by_band(values: NDArray[np.generic], form: ChipFormat) -> NDArray[np.generic]:
    """Stored layers (T x C, H, W), time-major, as (C, T, H, W)."""
    return values.reshape(form.temporal_dim, -1, *values.shape[1:]).swapaxes(0, 1)


def read_label(path: str | Path, form: LabelFormat, window: Window | None = None) -> NDArray[np.int64]:
    """Decode a label file, or a window of it, to classes, shape (H, W).

    No-data, NaN and the ignored value become `ignore_index`.

    Raises:
        RasterError: Missing, unreadable, or with fractional values.
        DataError: It has values outside the classes; the message lists them.
    """
    return decode_label(read_raster(path, [0], window=window), form, str(path))


def decode_label(raster: Raster, form: LabelFormat, path: str) -> NDArray[np.int64]:
    """The first layer as classes, see `read_label`; `path` is for messages."""
    return to_classes(raster.values[0], raster.valid[0], form, path)


def to_classes(
    stored: NDArray[np.generic], valid: NDArray[np.bool_], form: LabelFormat, where: str
) -> NDArray[np.int64]:
    """Stored values as classes, see `read_label`; `where` is for messages."""
    usable = valid.copy()
    known = np.where(usable, stored, 0)
    if stored.dtype.kind == "f":
        if (known != np.trunc(known)).any():
            raise RasterError(
                f"{where}: label values are fractional; expected whole class numbers, or is_reg_task=true for values"
            )
        known = known.clip(-FAR, FAR)
    label = known.astype(np.int64)
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
            f"{where}: label values {shown} are outside the classes {first}..{first + form.num_classes - 1}; "
            "correct model.num_classes, train.ignore_index, dataloader.replace_label or dataloader.reduce_to_zero"
        )
    return np.where(usable, label, form.ignore_index)


def read_target(path: str | Path, form: TargetFormat, window: Window | None = None) -> NDArray[np.float32]:
    """Decode a label file of continuous values, or a window of it, shape (H, W); NaN where there is no label.

    Raises:
        RasterError: Missing or unreadable.
        DataError: A value is not above `form.above`, or infinite.
    """
    return decode_target(read_raster(path, [0], window=window), form, str(path))


def decode_target(raster: Raster, form: TargetFormat, path: str) -> NDArray[np.float32]:
    """The first layer as continuous values, see `read_target`; `path` is for messages."""
    return to_values(np.where(raster.valid[0], raster.values[0], np.nan), form, path)


def to_values(stored: NDArray[np.floating], form: TargetFormat, where: str) -> NDArray[np.float32]:
    """Stored values, NaN where there is none, see `read_target`; `where` is for messages."""
    values = stored.astype(np.float32)
    if form.replace_label is not None:
        values[values == np.float32(form.replace_label[0])] = form.replace_label[1]
    values[values == np.float32(form.ignore_value)] = np.nan
    low, high = (float(edge) for edge in (np.nanmin(values), np.nanmax(values))) if not _empty(values) else (0.0, 0.0)
    if np.isinf((low, high)).any():
        raise DataError(f"{where}: has an infinite label; mark it as no-data, or name it as train.ignore_index")
    if form.above is not None and not _empty(values) and low <= form.above:
        raise DataError(
            f"{where}: has the label {low:g}, but model.use_log_scale=true takes the logarithm of 1 + label; expected "
            f"labels above {form.above:g}: leave use_log_scale out, or name the value as train.ignore_index"
        )
    return values


def _empty(values: NDArray[np.float32]) -> bool:
    return bool(np.isnan(values).all())
