"""Rows of one file, from top to bottom, each block decoded once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instageo.raster.reading import OpenRaster, read_errors
from instageo.raster.scenes.blocks import block_shape

Rows = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Values and validity, both of shape (L, h, w)."""


class FileRows:
    """Rows of layers of an open file on its own grid.

    GDAL decodes a block again for each window that touches it. So whole rows of blocks are read, and rows that the next
    call may need are kept.
    """

    def __init__(
        self, raster: OpenRaster, layers: Sequence[int], columns: slice, no_data_value: float | None = None
    ) -> None:
        """Prepare reading.

        Args:
            raster: The open file.
            layers: 0-based layers, read in one call.
            columns: Columns of the file.
            no_data_value: See `read_raster`.
        """
        self._raster, self._layers, self._columns, self._no_data_value = raster, list(layers), columns, no_data_value
        self._step, self._height = block_shape(raster)[0], raster.source.height
        self._first = self._last = 0
        self._kept: Rows | None = None

    def read(self, start: int, stop: int) -> Rows:
        """Return rows of the file; rows above `start` are forgotten, so calls go from top to bottom.

        Raises:
            RasterError: The file cannot be read.
        """
        self._forget(start)
        if stop > self._last:
            end = min(-(-stop // self._step) * self._step, self._height)
            self._kept = _join(self._kept, self._read(self._last, end))
            self._last = end
            self._forget(start)
        values, valid = self._rows()
        return values[:, : stop - self._first], valid[:, : stop - self._first]

    def _forget(self, start: int) -> None:
        if self._kept is None or not self._first <= start < self._last:
            self._kept = None
            self._first = self._last = start // self._step * self._step
        elif start > self._first:
            values, valid = self._kept
            self._kept = values[:, start - self._first :], valid[:, start - self._first :]
            self._first = start

    def _rows(self) -> Rows:
        if self._kept is None:
            raise ValueError("no rows were requested")
        return self._kept

    def _read(self, start: int, stop: int) -> Rows:
        with read_errors(self._raster.path):
            raster = self._raster.read(self._layers, self._no_data_value, (slice(start, stop), self._columns))
        return raster.values, raster.valid


def _join(above: Rows | None, below: Rows) -> Rows:
    if above is None or above[0].shape[1] == 0:
        return below
    return np.concatenate([above[0], below[0]], axis=1), np.concatenate([above[1], below[1]], axis=1)
