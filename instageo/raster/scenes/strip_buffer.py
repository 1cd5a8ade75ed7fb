"""Keep the strips that windows may still need."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from instageo.raster.scenes.strips import Strip


class StripBuffer:
    """Strips of a scene, one below another, from which windows are cut."""

    def __init__(self) -> None:
        self._strips: deque[Strip] = deque()

    @property
    def rows(self) -> slice:
        """Rows of the scene that are there."""
        if not self._strips:
            return slice(0, 0)
        last = self._strips[-1]
        return slice(self._strips[0].row, last.row + last.values.shape[1])

    def append(self, strip: Strip) -> None:
        """Add the strip below the last one.

        Raises:
            ValueError: It does not begin where the last one ends.
        """
        if self._strips and (strip.row != self.rows.stop or strip.column != self._strips[0].column):
            raise ValueError(
                f"a strip at row {strip.row}, column {strip.column} cannot follow one that ends at row "
                f"{self.rows.stop} and begins at column {self._strips[0].column}"
            )
        self._strips.append(strip)

    def window(self, rows: slice, columns: slice) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return values (L, h, w) and validity (T, h, w) of a window; they may be views, which must not be changed.

        Args:
            rows: Rows of the scene.
            columns: Columns of the scene.

        Raises:
            ValueError: The window is not all there.
        """
        have, first = self.rows, self._strips[0].column if self._strips else 0
        width = self._strips[0].values.shape[2] if self._strips else 0
        if not (
            have.start <= rows.start < rows.stop <= have.stop and first <= columns.start < columns.stop <= first + width
        ):
            raise ValueError(
                f"rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop} are requested, but there "
                f"are rows {have.start} to {have.stop}, columns {first} to {first + width}"
            )
        across = slice(columns.start - first, columns.stop - first)
        values, valid = [], []
        for strip in self._strips:
            down = slice(max(rows.start - strip.row, 0), max(min(rows.stop - strip.row, strip.values.shape[1]), 0))
            if down.start < down.stop:
                values.append(strip.values[:, down, across])
                valid.append(strip.valid[:, down, across])
        if len(values) == 1:
            return values[0], valid[0]
        return np.concatenate(values, axis=1), np.concatenate(valid, axis=1)

    def drop_before(self, row: int) -> None:
        """Forget the strips that lie wholly above a row."""
        while self._strips and self._strips[0].row + self._strips[0].values.shape[1] <= row:
            self._strips.popleft()
