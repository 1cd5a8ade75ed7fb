"""Keep the strips that windows may still need."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instageo.raster.scenes.strips import Strip


class WindowPart(NamedTuple):
    """The part of a window that one strip holds.

    Attributes:
        rows: Rows of the window.
        values: Shape (L, h, w), a view.
        valid: Shape (T, h, w), a view.
    """

    rows: slice
    values: NDArray[np.generic]
    valid: NDArray[np.bool_]


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
        parts = self.parts(rows, columns)
        if len(parts) == 1:
            return parts[0].values, parts[0].valid
        return np.concatenate([part.values for part in parts], 1), np.concatenate([part.valid for part in parts], 1)

    def parts(self, rows: slice, columns: slice) -> list[WindowPart]:
        """Return a window in parts, from top to bottom, none of which is copied.

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
        parts = []
        for strip in self._strips:
            down = slice(max(rows.start - strip.row, 0), max(min(rows.stop - strip.row, strip.values.shape[1]), 0))
            if down.start < down.stop:
                top = strip.row + down.start - rows.start
                own = np.s_[:, down, across]
                parts.append(WindowPart(slice(top, top + down.stop - down.start), strip.values[own], strip.valid[own]))
        return parts

    def drop_before(self, row: int) -> None:
        """Forget the strips that lie wholly above a row."""
        while self._strips and self._strips[0].row + self._strips[0].values.shape[1] <= row:
            self._strips.popleft()
