"""What the map engine asks of a scene, whether its pixels are in files or are combined from images of a catalogue."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instageo.raster.grid import Grid
from instageo.raster.scenes.file_layers import RowReader

OpenRows = Callable[[slice, Callable[[], bool]], AbstractContextManager[RowReader]]
"""Returns what reads values (L, h, w) and validity (T, h, w) of rows of some columns of a scene, in `with`, in one
thread. The second argument is called between parts of rows; if it returns true, reading raises a
`ReadingStoppedError`."""


class PixelScene(Protocol):
    """L = T * C layers on one grid, date by date, that are read from top to bottom."""

    @property
    def grid(self) -> Grid:
        """Position of the pixels."""

    @property
    def num_dates(self) -> int:
        """Number of dates T."""

    @property
    def num_layers(self) -> int:
        """Number of layers L."""

    @property
    def dtype(self) -> str:
        """Type of the values."""

    @property
    def strip_rows(self) -> int:
        """Rows that are best read at once."""

    @property
    def is_remote(self) -> bool:
        """Whether pixels come through a network, so that strips are read side by side."""

    def wanted(self, rows: slice, columns: slice) -> NDArray[np.bool_] | None:
        """Return which pixels a map is to show, shape (h, w); None for all."""
