"""Finished maps: their classes, and their pixels in rows of blocks, so that memory stays bounded."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Grid, RasterInfo
from instageo.raster.reading import OpenRaster, open_raster

CLASS_TYPES = ("uint8", "uint16")
"""Types of the values of maps of classes; other maps hold values."""

MIN_ROWS = 64
"""Rows that are read at once from files with lower blocks."""


@dataclass(frozen=True)
class MapRows:
    """Whole rows of the first layer of a map.

    Attributes:
        row: Number of the first row.
        values: Shape (rows, W), in the file's own type.
        valid: Shape (rows, W), False where nothing was observed.
    """

    row: int
    values: NDArray[np.generic]
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class FinishedMap:
    """A map while it is open; `open_map` returns one.

    Attributes:
        raster: The open file.
        info: Its metadata.
        class_names: Names of the classes 0, 1, …; empty if the file has none, or holds values.
        class_colors: Red, green and blue by class; empty without a colour table.
    """

    raster: OpenRaster
    info: RasterInfo
    class_names: tuple[str, ...] = ()
    class_colors: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """Position of the pixels."""
        return self.info.grid

    @property
    def has_classes(self) -> bool:
        """Whether the map holds classes rather than values."""
        return self.info.dtype in CLASS_TYPES

    def class_name(self, number: int) -> str:
        """Return the name of a class; its number if the file has no name for it."""
        return self.class_names[number] if number < len(self.class_names) else str(number)

    def require_classes(self, purpose: str) -> None:
        """Raise a RasterError if the map holds values; `purpose` begins the end of its sentence: `polygons need`."""
        if not self.has_classes:
            raise RasterError(
                f"{self.raster.path}: holds {self.info.dtype} values, but {purpose} a map of classes (uint8 or uint16)"
            )

    @cached_property
    def row_step(self) -> int:
        """Rows that are read at once: whole blocks, at least `MIN_ROWS` rows."""
        block_height = self.raster.block_shape[0]
        return min(block_height * -(-MIN_ROWS // block_height), self.grid.height)

    def read_rows(self) -> Iterator[MapRows]:
        """Yield the map from top to bottom; each block is decoded once.

        Raises:
            RasterError: A block cannot be read.
        """
        height, width = self.grid.shape
        for row in range(0, height, self.row_step):
            part = self.raster.read([0], window=(slice(row, min(row + self.row_step, height)), slice(0, width)))
            yield MapRows(row, part.values[0], part.valid[0])


@contextmanager
def open_map(path: str | Path) -> Iterator[FinishedMap]:
    """Open a finished map.

    Raises:
        RasterError: The file is missing or not a raster, or its class names are not a list of texts in JSON.
    """
    with open_raster(path) as raster:
        info = raster.info
        if info.dtype not in CLASS_TYPES:
            yield FinishedMap(raster, info)
            return
        try:
            colors = {value: (red, green, blue) for value, (red, green, blue, _) in raster.source.colormap(1).items()}
        except ValueError:  # the file has no colour table
            colors = {}
        yield FinishedMap(raster, info, _class_names(str(path), info.tags), colors)


def _class_names(path: str, tags: Mapping[str, str]) -> tuple[str, ...]:
    if "CLASS_NAMES" not in tags:
        return ()
    try:
        names = json.loads(tags["CLASS_NAMES"])
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise RasterError(
            f"{path}: its tag CLASS_NAMES is '{tags['CLASS_NAMES'][:60]}'; expected a list of names as JSON: "
            "write the map again, or remove the tag"
        )
    return tuple(map(str, names))
