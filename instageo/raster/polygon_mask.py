"""Which pixels of a grid lie in a polygon, kept as bits, so that large scenes need little memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from instageo.raster.grid import Grid

BAND_ROWS = 1024
"""Rows that are painted at once."""


class PolygonMask:
    """Pixels whose centre lies in a polygon.

    Args:
        geometry: Polygon or multipolygon (GeoJSON), in the reference system of the grid.
        grid: The pixels.
    """

    def __init__(self, geometry: Mapping[str, Any], grid: Grid) -> None:
        self._width = grid.width
        self._bits = np.concatenate([
            np.packbits(_paint(geometry, grid, row, min(BAND_ROWS, grid.height - row)), axis=1)
            for row in range(0, grid.height, BAND_ROWS)
        ])  # fmt: skip

    def window(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return which pixels of a window lie in the polygon, shape (h, w)."""
        first = columns.start // 8
        bits = np.unpackbits(self._bits[rows, first : -(-columns.stop // 8)], axis=1)
        return bits[:, columns.start - 8 * first : columns.stop - 8 * first].astype(bool)

    def count(self) -> int:
        """Return the number of pixels in the polygon."""
        return int(np.bitwise_count(self._bits).sum(dtype=np.int64))


def _paint(geometry: Mapping[str, Any], grid: Grid, row: int, height: int) -> NDArray[np.uint8]:
    band = grid.window(row, 0, height, grid.width)
    mask: NDArray[np.uint8] = rasterize(
        [(geometry, 1)], out_shape=band.shape, transform=band.transform, all_touched=False, dtype="uint8"
    )
    return mask
