"""How a map is split into pieces: levels, column panels and rows of blocks."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from instageo.raster.map_files.overviews import level_shapes
from instageo.raster.writing import is_representable


@dataclass(frozen=True)
class Codec:
    """How the blocks of a map are compressed, with deflate.

    Attributes:
        level: 1 (fast) to 9 (small).
        predictor: 1 compresses values, 2 differences of integers from their left neighbours, 3 the same of floats.
    """

    level: int
    predictor: Literal[1, 2, 3]


CLASS_CODEC = Codec(level=6, predictor=1)
"""Long runs of equal values: level 1 makes files 40 % larger, and differences do not help."""

PROBABILITY_CODEC = Codec(level=1, predictor=2)
"""Smooth planes: level 6 takes more than twice the time and is larger without a predictor."""

VALUE_CODEC = Codec(level=1, predictor=3)
"""Further levels take more time and make no smaller files: the last bits of floats are noise."""


class Piece(NamedTuple):
    """A row of blocks of one column panel.

    Attributes:
        level: 0 at full resolution, 1 at half of it, …
        column: Number of the panel, from the left.
        row: Number of the row of blocks at this level, from the top.
    """

    level: int
    column: int
    row: int


@dataclass(frozen=True)
class MapLayout:
    """Size, type and pieces of one raster file of a map.

    The file has the same pixels for any number of panels. At full resolution panels are ranges of blocks. At each
    further level a panel keeps the blocks that begin in it: a block half of which lies in the next panel belongs to
    the panel of its left half, so panels of few blocks have none at all at the last levels.

    Attributes:
        height: Rows.
        width: Columns.
        layers: Number of layers, stored one after the other.
        dtype: Type of the values, as NumPy names it.
        no_data: No-data value; None without one.
        codec: Compression of the blocks.
        overview: What a pixel of an overview is: the "mode" or the "mean" of 2 x 2 pixels of the level below.
        num_panels: Number of column panels, at most one for each block of a row.
        block: Side of a block, pixels; a multiple of 16.

    Raises:
        ValueError: An attribute is out of range.
    """

    height: int
    width: int
    layers: int = 1
    dtype: str = "uint8"
    no_data: float | None = 255
    codec: Codec = CLASS_CODEC
    overview: Literal["mode", "mean"] = "mode"
    num_panels: int = 1
    block: int = 512

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.layers) < 1:
            raise ValueError(f"a map of {self.layers} x {self.height} x {self.width}; expected 1 or more of each")
        if self.block < 16 or self.block % 16:
            raise ValueError(f"block={self.block}; expected a multiple of 16")
        if not 1 <= self.num_panels <= math.ceil(self.width / self.block):
            raise ValueError(f"num_panels={self.num_panels}; expected 1 to {math.ceil(self.width / self.block)}")
        if self.no_data is not None and not is_representable(self.no_data, np.dtype(self.dtype)):
            raise ValueError(f"no-data value {self.no_data} is outside {self.dtype}")
        if self.overview == "mode" and np.dtype(self.dtype).kind not in "iu":
            raise ValueError(f"overview='mode' of {self.dtype}; expected whole numbers")

    @classmethod
    def of_classes(cls, height: int, width: int, *, num_panels: int = 1, dtype: str = "uint8") -> "MapLayout":
        """Return the layout of a map of classes; the largest number of the type is no-data."""
        return cls(height, width, dtype=dtype, no_data=int(np.iinfo(dtype).max), num_panels=num_panels)

    @classmethod
    def of_probabilities(cls, height: int, width: int, layers: int, *, num_panels: int = 1) -> "MapLayout":
        """Return the layout of planes that `encode_probabilities` makes."""
        return cls(height, width, layers, codec=PROBABILITY_CODEC, overview="mean", num_panels=num_panels)

    @classmethod
    def of_values(cls, height: int, width: int, layers: int = 1, *, num_panels: int = 1) -> "MapLayout":
        """Return the layout of float32 values, NaN where they are missing."""
        return cls(height, width, layers, "float32", math.nan, VALUE_CODEC, "mean", num_panels)

    @cached_property
    def level_shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of each level."""
        return level_shapes(self.height, self.width, self.block)

    @cached_property
    def block_ranges(self) -> list[list[range]]:
        """Blocks of each panel, counted from the left, by level and panel; may be empty but at level 0."""
        num_blocks = math.ceil(self.width / self.block)
        edges = [panel * num_blocks // self.num_panels for panel in range(self.num_panels + 1)]
        levels = []
        for _ in self.level_shapes:
            levels.append([range(first, last) for first, last in pairwise(edges)])
            edges = [math.ceil(edge / 2) for edge in edges]
        return levels

    def num_rows(self, level: int = 0) -> int:
        """Return the number of rows of blocks of a level."""
        return math.ceil(self.level_shapes[level][0] / self.block)

    def columns(self, column: int, level: int = 0) -> slice:
        """Return the pixel columns of a panel."""
        blocks = self.block_ranges[level][column]
        width = self.level_shapes[level][1]
        return slice(min(blocks.start * self.block, width), min(blocks.stop * self.block, width))

    def rows(self, row: int, level: int = 0) -> slice:
        """Return the pixel rows of a row of blocks."""
        return slice(row * self.block, min((row + 1) * self.block, self.level_shapes[level][0]))

    def shape(self, piece: Piece) -> tuple[int, int, int]:
        """Return layers, rows and columns of the pixels of a piece."""
        rows, columns = self.rows(piece.row, piece.level), self.columns(piece.column, piece.level)
        return self.layers, rows.stop - rows.start, columns.stop - columns.start

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces, from full resolution to the last level, each panel from top to bottom."""
        for level, panels in enumerate(self.block_ranges):
            for column, blocks in enumerate(panels):
                if blocks:
                    yield from (Piece(level, column, row) for row in range(self.num_rows(level)))

    def sources(self, piece: Piece) -> list[Piece]:
        """Return the pieces of the level below that an overview piece is made from; none at full resolution."""
        if piece.level == 0:
            return []
        below = piece.level - 1
        rows = range(2 * piece.row, min(2 * piece.row + 2, self.num_rows(below)))
        columns = [
            column for column in range(self.num_panels) if self.source_blocks(piece, Piece(below, column, rows.start))
        ]
        return [Piece(below, column, row) for row in rows for column in columns]

    def source_blocks(self, piece: Piece, source: Piece) -> range:
        """Return the blocks of a piece of the level below that an overview piece is made from."""
        blocks = self.block_ranges[piece.level][piece.column]
        available = self.block_ranges[source.level][source.column]
        return range(max(2 * blocks.start, available.start), min(2 * blocks.stop, available.stop))

    def dependents(self, piece: Piece) -> list[Piece]:
        """Return the pieces of the next level that are made from a piece."""
        if piece.level + 1 == len(self.level_shapes):
            return []
        above = (Piece(piece.level + 1, column, piece.row // 2) for column in range(self.num_panels))
        return [candidate for candidate in above if self.source_blocks(candidate, piece)]
