"""Classes of overlapping tiles: straight from the outputs where one tile lies, from averages only where several do."""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.model.inference.blending import RollingSum
from instageo.model.inference.tiling import Activation, TileAxis
from instageo.model.metrics.segmentation import highest_class

MAX_CLASSES = 254
"""Classes up to which a map is of bytes."""

NEAR_TIE = np.float32(1e-6)
"""Difference of two outputs below which their probabilities may be rounded to the same number."""

Values = NDArray[np.float32]
Classes = NDArray[np.uint8]


class ClassMosaic:
    """The class with the highest average probability at each pixel; what `RollingSum` is for all averages.

    Where one tile lies, the highest output is the highest probability, so that neither probabilities nor averages are
    computed there, and the result is the same. Tiles must be added row by row, from left to right.

    Args:
        num_classes: Outputs per pixel, at most `MAX_CLASSES`.
        rows: Tiles along the image's rows.
        columns: Tiles along the image's columns.
        activation: Converts outputs to probabilities.
        first_row: First row of the image that is wanted.
        window: Columns of the image that are wanted.
    """

    def __init__(
        self,
        num_classes: int,
        rows: TileAxis,
        columns: TileAxis,
        activation: Activation,
        *,
        first_row: int,
        window: slice,
    ) -> None:
        self._sums = RollingSum(num_classes, rows, columns, first_row=first_row, window=window)
        self._classes = np.zeros((rows.size, window.stop - window.start), np.uint8)
        self._activation = activation
        self._shared_columns = torch.from_numpy(np.flatnonzero(columns.coverage[window] > 1))

    @property
    def row(self) -> int:
        """First row of the image that was not returned yet."""
        return self._sums.row

    def add(self, outputs: Tensor, row: int, column: int) -> None:
        """Add the network's outputs for a tile, (K, h, w), float32, on the CPU.

        Args:
            outputs: Its outputs, not activated.
            row: Index of its row of tiles.
            column: Index of its column of tiles.
        """
        sums = self._sums
        tops, lefts = sums.rows.starts[row], sums.columns.starts[column]
        size = outputs.shape[-2], outputs.shape[-1]
        down, across = sums.rows.alone(row), sums.columns.alone(column)
        for part in _frame(down, across, size):
            sums.add(self._activation.activate(outputs[None, :, *part])[0], row, column, part)
        first, left = max(tops + down.start, sums.row), max(lefts + across.start, sums.window.start)
        last, right = tops + down.stop, min(lefts + across.stop, sums.window.stop)
        if first < last and left < right:
            inner = outputs[:, first - tops : last - tops, left - lefts : right - lefts]
            target = np.s_[first - sums.row : last - sums.row, left - sums.window.start : right - sums.window.start]
            if _choose_classes(inner.numpy(), self._classes[target]):
                self._classes[target] = highest_class(self._activation.activate(inner[None])[0]).numpy()

    def pop(self, stop: int) -> Tensor:
        """Return the classes of all rows before `stop`, which no further tile touches, (1, rows, columns), uint8."""
        sums, first = self._sums, self._sums.row
        shared = sums.rows.coverage[first:stop] > 1
        for is_shared, group in groupby(range(stop - first), key=shared.__getitem__):
            rows = list(group)
            part = slice(first + rows[0], first + rows[-1] + 1)
            if is_shared:
                self._classes[rows[0] : rows[-1] + 1] = highest_class(sums.averages(part)).numpy()
            elif len(self._shared_columns):
                averages = sums.averages(part, self._shared_columns)
                self._classes[rows[0] : rows[-1] + 1, self._shared_columns.numpy()] = highest_class(averages).numpy()
        sums.drop_before(stop)
        count = stop - first
        result = self._classes[:count].copy()
        self._classes[:-count or None] = self._classes[count:].copy()
        return torch.from_numpy(result)[None]


def _frame(down: slice, across: slice, size: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield the rectangles of a tile that lie above, below, left and right of an inner one."""
    height, width = size
    parts = [
        (slice(0, down.start), slice(0, width)),
        (slice(down.stop, height), slice(0, width)),
        (down, slice(0, across.start)),
        (down, slice(across.stop, width)),
    ]
    for rows, columns in parts:
        if rows.start < rows.stop and columns.start < columns.stop:
            yield rows, columns


def _choose_classes(outputs: Values, classes: Classes) -> bool:
    """Write the class of the highest output (K, h, w) of each pixel, the first of equals, into (h, w).

    Returns:
        Whether two outputs are so near that probabilities could make another choice.
    """
    best = outputs[0].copy()
    second = np.full_like(best, -np.inf)
    classes[...] = 0
    for number, plane in enumerate(outputs[1:], 1):
        higher = plane > best
        np.maximum(second, np.minimum(best, plane), out=second)
        np.maximum(best, plane, out=best)
        np.copyto(classes, np.uint8(number), where=higher)
    gap = np.subtract(best, second, out=best)
    return bool(((gap < NEAR_TIE) & (gap > 0)).any())
