"""Labels of whole chips, which the table itself holds: a class, several classes, or a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.model.chips.pixel_labels import Array, LabelFormat, TargetFormat, to_classes, to_values
from instageo.table import NONE


@dataclass(frozen=True)
class ChipClass:
    """One class per chip, told by its number, as files would tell it, or by its name."""

    form: LabelFormat
    names: tuple[str, ...] = ()
    image_level: ClassVar[bool] = True
    stored: ClassVar[str] = LabelFormat.stored

    @property
    def unlabelled(self) -> float:
        """The ignored class."""
        return self.form.unlabelled

    def read(self, label: str) -> Array:
        """The class, shape (1, 1), int64."""
        return _parse_class(label, self.form, self.names)

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
                found = int(_parse_class(part.strip(), self.form, self.names)[0, 0])
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
    image_level: ClassVar[bool] = True
    stored: ClassVar[str] = TargetFormat.stored
    unlabelled: ClassVar[float] = TargetFormat.unlabelled

    @property
    def above(self) -> float | None:
        """Values must be greater; None for any."""
        return self.form.above

    def read(self, label: str) -> Array:
        """The value, shape (1, 1), float32."""
        return to_values(np.array([[_parse_number(label)]]), self.form, f"label {label}")

    def labelled(self, label: Array) -> NDArray[np.bool_]:
        """Where there is a value."""
        return self.form.labelled(label)


ChipLabels = ChipClass | ChipValue
"""How labels of whole chips are read."""

Labels = LabelFormat | TargetFormat | ChipClass | ChipValue
"""How labels are read. Each format has

- `image_level`: whether a label is of the chip as a whole, not of its pixels; `read` takes what the table says of it;
- `unlabelled`: what stands where there is none: the ignored class, or NaN; `labelled(label)` tells where there is one;
- `stored`: the type in which a cache keeps labels of pixels.
"""


def _parse_class(text: str, form: LabelFormat, names: Sequence[str]) -> NDArray[np.int64]:
    if text in names:
        return np.array([[names.index(text)]])
    try:
        number = float(text)
    except ValueError as error:
        known = f"known are {', '.join(names[:10])}" if names else "name classes with model.class_names"
        raise DataError(
            f"label {text} is neither the number nor the name of a class; {known}{_guess_kind(text)}"
        ) from error
    return to_classes(np.array([[number]]), np.array([[np.isfinite(number)]]), form, f"label {text}")


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"label {text} is no number; expected the value of the chip{_guess_kind(text)}") from error


def _guess_kind(text: str) -> str:
    """The other kind of label that a text looks like."""
    if ";" in text:
        return "; several classes per chip need dataloader.label_kind=chip_multi"
    return "; labels that are files need dataloader.label_kind=raster" if is_file_name(text) else ""


def is_file_name(text: str) -> bool:
    """Whether a label ends like a file's name: in a dot and a letter."""
    return PurePath(text).suffix[1:2].isalpha()
