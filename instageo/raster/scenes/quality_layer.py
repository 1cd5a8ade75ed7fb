"""What the quality layer of a date takes out of the scene."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from instageo.products.quality_flags import dilate, marked, without_data
from instageo.raster.scenes.alignment import Alignment
from instageo.raster.scenes.file_layers import FileLayers, RowReader
from instageo.raster.scenes.scene import QualitySource

Mask = NDArray[np.bool_]


class QualityLayer:
    """The quality layer of a date, from top to bottom.

    Rows and columns around those that are read, as far as the radius of dilation reaches, are read with them, so the
    result does not depend on where strips and panels end.
    """

    def __init__(
        self,
        open_rows: Callable[[slice], RowReader],
        alignment: Alignment,
        source: QualitySource,
        columns: slice,
        shape: tuple[int, int],
    ) -> None:
        """Prepare reading.

        Args:
            open_rows: Returns what reads the rows of columns of its layer.
            alignment: Where its pixels lie.
            source: The layer and the flags.
            columns: Columns of the scene.
            shape: Rows and columns of the scene.
        """
        self._source, self._height, self._margin = source, shape[0], math.floor(source.dilation + 1e-9)
        wide = slice(max(columns.start - self._margin, 0), min(columns.stop + self._margin, shape[1]))
        self._columns = slice(columns.start - wide.start, columns.stop - wide.start)
        self._layer = FileLayers(open_rows, alignment, wide, nearest=[True])

    def read(self, start: int, stop: int) -> Mask:
        """Return where rows of the scene are observed and have none of the flags, shape (h, w)."""
        first, last = max(start - self._margin, 0), min(stop + self._margin, self._height)
        values, valid = (part[0] for part in self._layer.read(first, last))
        source = self._source
        covered = dilate(marked(values, source.names, source.flags) & valid, source.dilation)
        clear = valid & ~covered & ~without_data(values, source.flags)
        return np.asarray(clear[start - first : stop - first, self._columns])
