"""Windows of files with larger pixels than a chip, and the way back onto the chip's pixels, without interpolation."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Grid

TOLERANCE = 1e-3
"""Pixels by which positions on the same lattice may differ."""


@dataclass(frozen=True)
class AssetWindow:
    """The part of a file that covers a chip.

    Attributes:
        grid: Its pixels, in the file's own grid.
        factor: Pixels of the chip along one of the file's.
        row: First row of the chip in the part, in pixels of the chip.
        column: First column of the chip in the part, in pixels of the chip.
        shape: Rows and columns of the chip.
    """

    grid: Grid
    factor: int
    row: int
    column: int
    shape: tuple[int, int]

    def on_chip(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return values of the part on the pixels of the chip; larger pixels are repeated."""
        if self.factor > 1:
            values = values.repeat(self.factor, axis=0).repeat(self.factor, axis=1)
        height, width = self.shape
        return values[self.row : self.row + height, self.column : self.column + width]


def asset_window(chip: Grid, file: Grid, margin_m: float = 0.0) -> AssetWindow:
    """Return the part of a file that covers a chip, with a margin as far as the file reaches.

    Args:
        chip: Grid of the chip.
        file: Grid of the whole file.
        margin_m: Distance by which the part reaches beyond the chip, in units of the reference system.

    Raises:
        RasterError: The pixels of the file are no whole multiple of those of the chip, or on another lattice.
    """
    ratio = file.transform.a / chip.transform.a
    factor = round(ratio)
    ratio_ok = factor >= 1 and abs(ratio - factor) * max(chip.shape) <= TOLERANCE * factor
    left = (chip.transform.c - file.transform.c) / chip.transform.a
    top = (chip.transform.f - file.transform.f) / chip.transform.e
    if not ratio_ok or abs(left - round(left)) + abs(top - round(top)) > 2 * TOLERANCE:
        raise RasterError(
            f"the pixels of the file ({file.transform.a:g} at {file.transform.c:g}, {file.transform.f:g}) do not fit "
            f"those of the chip ({chip.transform.a:g} at {chip.transform.c:g}, {chip.transform.f:g})"
        )
    first_row, first_column = round(top), round(left)
    margin = math.ceil(margin_m / abs(file.transform.a) - 1e-9)
    rows = _span(first_row, chip.height, factor, margin, file.height)
    columns = _span(first_column, chip.width, factor, margin, file.width)
    grid = file.window(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])
    return AssetWindow(
        grid, factor, first_row - rows[0] * factor, first_column - columns[0] * factor, (chip.height, chip.width)
    )


def _span(first: int, length: int, factor: int, margin: int, limit: int) -> tuple[int, int]:
    """Return first and end row, or column, of the file's pixels that cover the chip's, with a margin."""
    start, end = first // factor, -(-(first + length) // factor)
    return max(start - margin, min(start, 0)), min(end + margin, max(end, limit))
