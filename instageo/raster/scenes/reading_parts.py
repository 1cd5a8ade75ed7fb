"""Read windows of a file in parts, between which reading can be stopped."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from instageo.raster.grid import Raster, Window
from instageo.raster.reading import OpenRaster
from instageo.raster.scenes.blocks import block_shape

PART_BYTES = 32 << 20
"""Bytes that are read at once: a tenth of a second from a local disk. Smaller parts of remote files would
need more requests."""


class ReadingStoppedError(Exception):
    """Reading was stopped by the consumer of the pixels."""


@dataclass(frozen=True)
class StoppableRaster(OpenRaster):
    """An open file whose windows are read in parts of whole blocks, each of which is decoded once.

    Attributes:
        is_stopped: Called before each part; if it returns true, no further one is read.
    """

    is_stopped: Callable[[], bool] = lambda: False

    def read(
        self,
        layers: Sequence[int] | None = None,
        no_data_value: float | None = None,
        window: Window | None = None,
    ) -> Raster:
        """Read layers; see `read_raster`.

        Raises:
            ReadingStoppedError: Reading was stopped.
        """
        rows, columns = window or (slice(0, self.source.height), slice(0, self.source.width))
        parts = self._parts(rows, columns, len(self.info.data_layers if layers is None else layers))
        if len(parts) == 1:
            return self._read_part(layers, no_data_value, parts[0])
        raster = self._read_part(layers, no_data_value, parts[0])
        shape = rows.stop - rows.start, columns.stop - columns.start
        values = np.empty((len(raster.values), *shape), raster.values.dtype)
        valid = np.empty(values.shape, bool)
        for number, part in enumerate(parts):
            if number:
                raster = self._read_part(layers, no_data_value, part)
            inside = np.s_[:, _moved(part[0], rows.start), _moved(part[1], columns.start)]
            values[inside], valid[inside] = raster.values, raster.valid
        grid = self.info.grid.window(rows.start, columns.start, *shape)
        return replace(raster, values=values, valid=valid, grid=grid)

    def _read_part(self, layers: Sequence[int] | None, no_data_value: float | None, part: Window) -> Raster:
        if self.is_stopped():
            raise ReadingStoppedError
        return super().read(layers, no_data_value, part)

    @cached_property
    def _stored_blocks(self) -> tuple[int, int]:
        return block_shape(self)

    def _parts(self, rows: slice, columns: slice, num_layers: int) -> list[Window]:
        """Split a window between columns of blocks, or between rows of blocks if these are as wide as the file."""
        height, width = self._stored_blocks
        bytes_per_pixel = num_layers * max(np.dtype(name).itemsize for name in self.source.dtypes)
        if width < self.source.width:
            step = PART_BYTES // (bytes_per_pixel * (rows.stop - rows.start) * width) * width
            return [(rows, part) for part in _split(columns, max(step, width))]
        step = PART_BYTES // (bytes_per_pixel * (columns.stop - columns.start) * height) * height
        return [(part, columns) for part in _split(rows, max(step, height))]


def _split(whole: slice, step: int) -> Iterator[slice]:
    """Yield the parts of a range that end at multiples of `step`."""
    borders = range(whole.start // step * step + step, whole.stop, step)
    for start, stop in zip([whole.start, *borders], [*borders, whole.stop], strict=True):
        yield slice(start, stop)


def _moved(part: slice, start: int) -> slice:
    return slice(part.start - start, part.stop - start)
