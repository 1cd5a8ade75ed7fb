"""Layers of one file on the grid of the scene: copied where pixels coincide, otherwise resampled."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from instageo.raster.scenes.alignment import Alignment
from instageo.raster.scenes.axis_map import AxisMap, Taps
from instageo.raster.scenes.file_rows import Rows
from instageo.raster.scenes.resampling import resample_bilinear, resample_nearest


class RowReader(Protocol):
    """Reads rows of some columns of a file, on its own grid; `FileRows` is one."""

    def read(self, start: int, stop: int) -> Rows:
        """Return values and validity, both (L, h, w), of rows of the file."""


class FileLayers:
    """Layers of a file on the grid of the scene, from top to bottom.

    Attributes:
        positions: 0-based position of each layer among those of the scene.
    """

    def __init__(
        self,
        open_rows: Callable[[slice], RowReader],
        alignment: Alignment,
        columns: slice,
        *,
        nearest: Sequence[bool],
        positions: Sequence[int] = (),
    ) -> None:
        """Prepare reading.

        Args:
            open_rows: Returns what reads the rows of columns of the file.
            alignment: Where its pixels lie.
            columns: Columns of the scene.
            nearest: Whether each layer takes the nearest pixels rather than bilinear weights.
            positions: See the attribute.
        """
        self.positions = list(positions)
        self._rows, self._nearest = alignment.rows, np.array(nearest)
        self._shifts = alignment.rows.shift, alignment.columns.shift
        self._across = {
            kind: alignment.columns.taps(columns.start, columns.stop, nearest=kind) for kind in (True, False)
        }
        if None in self._shifts:
            span = self._across[bool(self._nearest.all())].span
        else:
            span, self._pad_columns = _inside(columns.start, columns.stop, alignment.columns)
        self._span, self._file = span, open_rows(span)

    def read(self, start: int, stop: int) -> Rows:
        """Return values in the type of the file, and validity, both (L, h, w), of rows of the scene."""
        if None in self._shifts:
            return self._resampled(start, stop)
        span, pad_rows = _inside(start, stop, self._rows)
        if span.start == span.stop or self._span.start == self._span.stop:
            shape = len(self._nearest), stop - start, len(self._across[True].index)
            return np.zeros(shape, np.uint8), np.zeros(shape, bool)
        values, valid = self._file.read(span.start, span.stop)
        padding = (0, 0), pad_rows, self._pad_columns
        if any(map(any, padding)):
            values, valid = np.pad(values, padding), np.pad(valid, padding)
        return values, valid

    def _resampled(self, start: int, stop: int) -> Rows:
        down = {kind: self._rows.taps(start, stop, nearest=kind) for kind in (True, False)}
        span = down[bool(self._nearest.all())].span
        values, valid = self._file.read(span.start, span.stop)
        parts = []
        for kind, resample in ((True, resample_nearest), (False, resample_bilinear)):
            if (chosen := self._nearest == kind).any():
                rows, columns = _moved(down[kind], span), _moved(self._across[kind], self._span)
                parts.append((chosen, *resample(values[chosen], valid[chosen], rows, columns)))
        if len(parts) == 1:
            return parts[0][1:]
        result, result_valid = (np.empty((len(chosen), *parts[0][1].shape[1:]), kind) for kind in (values.dtype, bool))
        for chosen, own, own_valid in parts:
            result[chosen], result_valid[chosen] = own, own_valid
        return result, result_valid


def _inside(start: int, stop: int, axis: AxisMap) -> tuple[slice, tuple[int, int]]:
    """Return the part of a range of the scene that lies in the file, in its pixels, and what both ends lack."""
    shift = axis.shift or 0
    first, last = (min(max(end + shift, 0), axis.length) for end in (start, stop))
    return slice(first, last), (first - start - shift, stop + shift - last)


def _moved(taps: Taps, span: slice) -> Taps:
    """Return taps whose positions count from the beginning of the part that is read."""
    return Taps(taps.index - span.start, taps.weights, taps.inside)
