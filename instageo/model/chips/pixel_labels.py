"""Read labels of pixels: a class or a value for each pixel of a chip."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.model.chips.label_layers import ONLY_LAYER, LabelLayers, read_label_layer
from instageo.raster.grid import Raster, Window

Array = NDArray[Any]

MAX_MAGNITUDE = 2.0**62
"""Labels beyond it are clipped before the conversion to int64, which does not hold every float; none is a class."""


@dataclass(frozen=True)
class LabelFormat:
    """How the values of a label file become classes.

    Attributes:
        num_classes: Classes are 0..num_classes - 1.
        ignore_index: Label that does not count, in the file and in memory.
        reduce_to_zero: The file counts classes from 1; its 0 is ignored.
        replace_label: (from, to), applied to the file's values before anything else.
        layers: Which layer of the file holds the labels.
    """

    num_classes: int
    ignore_index: int = -1
    reduce_to_zero: bool = False
    replace_label: tuple[int, int] | None = None
    layers: LabelLayers = ONLY_LAYER
    image_level: ClassVar[bool] = False
    cache_dtype: ClassVar[str] = "int32"

    @property
    def ignored_value(self) -> float:
        """The ignored class."""
        return self.ignore_index

    def read(self, path: str | Path, window: Window | None = None) -> Array:
        """Read a label file, or a window of it, as classes, shape (H, W), int64.

        No-data, NaN and the ignored value become `ignore_index`.

        Raises:
            RasterError: The file is missing or unreadable, or has fractional values.
            DataError: It has values outside the classes; the message lists them.
        """
        return self.decode(read_label_layer(path, self.layers, window), str(path))

    def decode(self, raster: Raster, path: str) -> Array:
        """Convert the one layer to classes, see `read`; `path` is used in messages."""
        return self.to_classes(raster.values[0], raster.valid[0], path)

    def to_classes(self, stored: NDArray[np.generic], valid: NDArray[np.bool_], location: str) -> NDArray[np.int64]:
        """Convert stored values to classes, see `read`; `location` is used in messages."""
        usable = valid.copy()
        values = np.where(usable, stored, 0)
        if stored.dtype.kind == "f":
            if (values != np.trunc(values)).any():
                raise RasterError(
                    f"{location}: label values are fractional; expected whole class numbers, or is_reg_task=true "
                    "for regression"
                )
            values = values.clip(-MAX_MAGNITUDE, MAX_MAGNITUDE)
        label = values.astype(np.int64)
        if self.replace_label is not None:
            label[label == self.replace_label[0]] = self.replace_label[1]
        usable &= label != self.ignore_index
        if self.reduce_to_zero:
            usable &= label != 0
            label -= 1
        outside = np.unique(label[usable & ((label < 0) | (label >= self.num_classes))])
        if outside.size:
            shown = (outside + self.reduce_to_zero).tolist()[:8]
            first = int(self.reduce_to_zero)
            raise DataError(
                f"{location}: label values {shown} are outside the classes {first}..{first + self.num_classes - 1}; "
                "correct model.num_classes, train.ignore_index, dataloader.replace_label or dataloader.reduce_to_zero"
            )
        return np.where(usable, label, self.ignore_index)

    def label_mask(self, label: Array) -> NDArray[np.bool_]:
        """Return a mask that is True where there is a class."""
        mask: NDArray[np.bool_] = label != self.ignore_index
        return mask

    def count_classes(self, labels: Array) -> tuple[int, ...]:
        """Count how often each class occurs."""
        return tuple(np.bincount(labels, minlength=self.num_classes).tolist())


@dataclass(frozen=True)
class TargetFormat:
    """How a label file of continuous values is read, for regression.

    Attributes:
        ignore_value: Value that means "no label", in addition to the file's no-data tag and NaN.
        lower_bound: Values must be greater, so that their logarithm exists; None for no bound.
        replace_label: (from, to), applied to the file's values before anything else.
        layers: Which layer of the file holds the labels.
    """

    ignore_value: float = -1
    lower_bound: float | None = None
    replace_label: tuple[float, float] | None = None
    layers: LabelLayers = ONLY_LAYER
    image_level: ClassVar[bool] = False
    cache_dtype: ClassVar[str] = "float32"
    ignored_value: ClassVar[float] = math.nan

    def read(self, path: str | Path, window: Window | None = None) -> Array:
        """Read a label file, or a window of it, shape (H, W), float32; pixels without a label become NaN.

        Raises:
            RasterError: The file is missing or unreadable.
            DataError: A value is infinite, or not greater than `lower_bound`.
        """
        return self.decode(read_label_layer(path, self.layers, window), str(path))

    def decode(self, raster: Raster, path: str) -> Array:
        """Convert the one layer to values, see `read`; `path` is used in messages."""
        return self.to_values(np.where(raster.valid[0], raster.values[0], np.nan), path)

    def to_values(self, stored: NDArray[np.floating], location: str) -> NDArray[np.float32]:
        """Convert stored values, NaN for missing ones, see `read`; `location` is used in messages."""
        values = stored.astype(np.float32)
        if self.replace_label is not None:
            values[values == np.float32(self.replace_label[0])] = self.replace_label[1]
        values[values == np.float32(self.ignore_value)] = np.nan
        if np.isnan(values).all():
            return values
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        if math.isinf(low) or math.isinf(high):
            raise DataError(f"{location}: has an infinite label; mark it as no-data, or set train.ignore_index to it")
        if self.lower_bound is not None and low <= self.lower_bound:
            raise DataError(
                f"{location}: has the label {low:g}, but model.use_log_scale=true takes the logarithm of "
                f"1 + label; expected labels above {self.lower_bound:g}: remove use_log_scale, or set "
                "train.ignore_index to that value"
            )
        return values

    def label_mask(self, label: Array) -> NDArray[np.bool_]:
        """Return a mask that is True where there is a value."""
        mask: NDArray[np.bool_] = np.isfinite(label)
        return mask
