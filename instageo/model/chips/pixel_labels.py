"""What a row of a table says of its chip: classes or values of its pixels, or of the chip as a whole.

A label of a whole chip is a map of one pixel: (1, 1), or (K, 1, 1) where each of K labels may apply.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.raster.grid import Raster, Window
from instageo.raster.reading import read_raster

Array = NDArray[Any]

FAR = 2.0**62
"""Labels beyond it, which are no classes, count as this one: no integer holds all that a float does."""


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
    image_level: ClassVar[bool] = False
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
    image_level: ClassVar[bool] = False
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
