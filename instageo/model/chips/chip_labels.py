"""Read image-level labels, which the table itself holds: a class, several classes, or a value for a whole chip.

An image-level label is a map of one pixel: shape (1, 1), or (K, 1, 1) where each of K classes may apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.model.chips.pixel_labels import Array, LabelFormat, TargetFormat
from instageo.table import NONE


@dataclass(frozen=True)
class ChipClassFormat:
    """One class per chip, given by its name or by its number, as it would be in a label file.

    Attributes:
        label_format: How numbers become classes.
        class_names: Names of the classes; empty if they have none.
    """

    label_format: LabelFormat
    class_names: tuple[str, ...] = ()
    image_level: ClassVar[bool] = True
    cache_dtype: ClassVar[str] = LabelFormat.cache_dtype

    @property
    def ignored_value(self) -> float:
        """The ignored class."""
        return self.label_format.ignored_value

    def read(self, label: str) -> Array:
        """Parse the class, shape (1, 1), int64."""
        return _parse_class(label, self.label_format, self.class_names)

    def label_mask(self, label: Array) -> NDArray[np.bool_]:
        """Return a mask that is True where there is a class."""
        return self.label_format.label_mask(label)

    def count_classes(self, labels: Array) -> tuple[int, ...]:
        """Count the chips of each class."""
        return self.label_format.count_classes(labels)


@dataclass(frozen=True)
class ChipMultiLabelFormat(ChipClassFormat):
    """Any number of classes per chip, separated by `;`; `-` if none applies."""

    def read(self, label: str) -> Array:
        """Return 1 for each class that applies, else 0, shape (K, 1, 1), int64."""
        applies = np.zeros((self.label_format.num_classes, 1, 1), dtype=np.int64)
        for part in label.split(";"):
            if part.strip() not in ("", NONE):
                index = int(_parse_class(part.strip(), self.label_format, self.class_names)[0, 0])
                if index == self.label_format.ignore_index:
                    return np.full_like(applies, index)
                applies[index] = 1
        return applies

    def count_classes(self, labels: Array) -> tuple[int, ...]:
        """Return 1 for each class that applies to one chip, else 0."""
        return tuple(labels.tolist())


@dataclass(frozen=True)
class ChipValueFormat:
    """One value per chip, for regression.

    Attributes:
        target_format: How numbers become values.
    """

    target_format: TargetFormat
    image_level: ClassVar[bool] = True
    cache_dtype: ClassVar[str] = TargetFormat.cache_dtype
    ignored_value: ClassVar[float] = TargetFormat.ignored_value

    @property
    def lower_bound(self) -> float | None:
        """Values must be greater; None for no bound."""
        return self.target_format.lower_bound

    def read(self, label: str) -> Array:
        """Parse the value, shape (1, 1), float32."""
        return self.target_format.to_values(np.array([[_parse_number(label)]]), f"label {label}")

    def label_mask(self, label: Array) -> NDArray[np.bool_]:
        """Return a mask that is True where there is a value."""
        return self.target_format.label_mask(label)


ChipLabelFormat = ChipClassFormat | ChipValueFormat
"""How image-level labels are read."""

AnyLabelFormat = LabelFormat | TargetFormat | ChipLabelFormat
"""How labels are read. Each format has

- `image_level`: whether a label belongs to the whole chip rather than its pixels; then `read` parses the table's entry;
- `ignored_value`: the value of a missing label: the ignored class, or NaN; `label_mask(label)` is False there;
- `cache_dtype`: the type in which a cache keeps labels of pixels.
"""


def is_file_name(text: str) -> bool:
    """Return whether a label ends like a file name: in a dot and a letter."""
    return PurePath(text).suffix[1:2].isalpha()


def _parse_class(text: str, label_format: LabelFormat, class_names: Sequence[str]) -> NDArray[np.int64]:
    if text in class_names:
        return np.array([[class_names.index(text)]])
    try:
        number = float(text)
    except ValueError as error:
        hint = (
            f"expected one of {', '.join(class_names[:10])}" if class_names else "name classes with model.class_names"
        )
        raise DataError(
            f"label {text} is neither the number nor the name of a class; {hint}{_hint_label_kind(text)}"
        ) from error
    return label_format.to_classes(np.array([[number]]), np.array([[np.isfinite(number)]]), f"label {text}")


def _parse_number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(
            f"label {text} is not a number; expected the value of the chip{_hint_label_kind(text)}"
        ) from error


def _hint_label_kind(text: str) -> str:
    """Suggest the `dataloader.label_kind` that a text looks like."""
    if ";" in text:
        return "; several classes per chip need dataloader.label_kind=chip_multi"
    return "; labels that are files need dataloader.label_kind=raster" if is_file_name(text) else ""
