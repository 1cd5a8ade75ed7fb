"""What a row of a table says of its chip: classes or values of its pixels, or of the chip as a whole.

A label of a whole chip is a map of one pixel: (1, 1), or (K, 1, 1) where each of K labels may apply.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.raster import Raster, Window, read_raster
from instageo.table import NONE

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
class ChipClass:
    """One class per chip, told by its number, as files would tell it, or by its name."""

    form: LabelFormat
    names: tuple[str, ...] = ()
    per_chip: ClassVar[bool] = True
    stored: ClassVar[str] = LabelFormat.stored

    @property
    def unlabelled(self) -> float:
        """The ignored class."""
        return self.form.unlabelled

    def read(self, label: str) -> Array:
        """The class, shape (1, 1), int64."""
        return _class(label, self.form, self.names)

    def labelled(self, label: Array) -> NDArray[np.bool_]:
        """Where there is a class."""
        return self.form.labelled(label)

    def counts(self, labels: Array) -> tuple[int, ...]:
        """Chips of each class."""
        return self.form.counts(labels)


@dataclass(frozen=True)
class ChipClasses(ChipClass):
    """Any number of classes per chip, separated by `;`, `-` for none of them."""

    def read(self, label: str) -> Array:
        """1 for each class that applies, else 0, shape (K, 1, 1), int64."""
        applies = np.zeros((self.form.num_classes, 1, 1), dtype=np.int64)
        for part in label.split(";"):
            if part.strip() not in ("", NONE):
                found = int(_class(part.strip(), self.form, self.names)[0, 0])
                if found == self.form.ignore_index:
                    return np.full_like(applies, found)
                applies[found] = 1
        return applies

    def counts(self, labels: Array) -> tuple[int, ...]:
        """Which classes apply to one chip."""
        return tuple(labels.tolist())


@dataclass(frozen=True)
class ChipValue:
    """One value per chip."""

    form: TargetFormat
    per_chip: ClassVar[bool] = True
    stored: ClassVar[str] = TargetFormat.stored
    unlabelled: ClassVar[float] = TargetFormat.unlabelled

    @property
    def above(self) -> float | None:
        """Values must be greater; None for any."""
        return self.form.above

    def read(self, label: str) -> Array:
        """The value, shape (1, 1), float32."""
        return to_values(np.array([[_number(label)]]), self.form, f"label {label}")

    def labelled(self, label: Array) -> NDArray[np.bool_]:
        """Where there is a value."""
        return self.form.labelled(label)


ChipLabels = ChipClass | ChipValue
"""How labels of whole chips are read."""

Labels = LabelFormat | TargetFormat | ChipClass | ChipValue
"""How labels are read. Each format has

- `per_chip`: whether a label is of the chip as a whole, not of its pixels; `read` takes what the table says of it;
- `unlabelled`: what stands where there is none: the ignored class, or NaN; `labelled(label)` tells where there is one;
- `stored`: the type in which a cache keeps labels of pixels.
"""


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


def _class(text: str, form: LabelFormat, names: Sequence[str]) -> NDArray[np.int64]:
    if text in names:
        return np.array([[names.index(text)]])
    try:
        number = float(text)
    except ValueError as error:
        known = f"known are {', '.join(names[:10])}" if names else "name classes with model.class_names"
        raise DataError(f"label {text} is neither the number nor the name of a class; {known}{_kind(text)}") from error
    return to_classes(np.array([[number]]), np.array([[np.isfinite(number)]]), form, f"label {text}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"label {text} is no number; expected the value of the chip{_kind(text)}") from error


def _kind(text: str) -> str:
    """The other kind of label that a text looks like."""
    if ";" in text:
        return "; several classes per chip need dataloader.label_kind=chip_multi"
    return "; labels that are files need dataloader.label_kind=raster" if is_file_name(text) else ""


def is_file_name(text: str) -> bool:
    """Whether a label ends like a file's name: in a dot and a letter."""
    return PurePath(text).suffix[1:2].isalpha()
