"""Place windows in the grid of a file, and merge those that share its blocks. No pixel is read here."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from rasterio.crs import CRS

from instageo.errors import RasterError, WindowOutsideError
from instageo.raster.grid import Grid

TOLERANCE = 1e-3
"""Pixels by which positions on the same lattice may differ."""

MAX_RATIO = 1.25
"""Largest number of blocks that a merged window reads for each block that its members need."""


@dataclass(frozen=True)
class PixelWindow:
    """Pixels of a file, counted as they are stored; a part may lie outside the file.

    Attributes:
        row: First row.
        column: First column.
        height: Rows.
        width: Columns.
    """

    row: int
    column: int
    height: int
    width: int

    @property
    def end_row(self) -> int:
        """Row after the last."""
        return self.row + self.height

    @property
    def end_column(self) -> int:
        """Column after the last."""
        return self.column + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns as slices."""
        return slice(self.row, self.end_row), slice(self.column, self.end_column)

    def union(self, other: "PixelWindow") -> "PixelWindow":
        """Return the smallest window that holds both."""
        row, column = min(self.row, other.row), min(self.column, other.column)
        height, width = max(self.end_row, other.end_row) - row, max(self.end_column, other.end_column) - column
        return PixelWindow(row, column, height, width)

    def clip(self, shape: tuple[int, int]) -> "PixelWindow | None":
        """Return the part inside a file of the given rows and columns, or None if they lie outside."""
        row, column = max(self.row, 0), max(self.column, 0)
        height, width = min(self.end_row, shape[0]) - row, min(self.end_column, shape[1]) - column
        return PixelWindow(row, column, height, width) if height > 0 and width > 0 else None

    def blocks(self, block_shape: tuple[int, int]) -> frozenset[tuple[int, int]]:
        """Return row and column of the file's blocks that the window touches."""
        rows = range(self.row // block_shape[0], (self.end_row - 1) // block_shape[0] + 1)
        columns = range(self.column // block_shape[1], (self.end_column - 1) // block_shape[1] + 1)
        return frozenset((row, column) for row in rows for column in columns)


@dataclass(frozen=True)
class MergedWindow:
    """Windows that are read at once.

    Attributes:
        window: The smallest window that holds all.
        members: Positions of the windows in the list that was merged.
        blocks: Blocks of the file that the members touch.
    """

    window: PixelWindow
    members: tuple[int, ...]
    blocks: frozenset[tuple[int, int]]


def place_window(chip: Grid, file: Grid, *, partial: bool = False) -> tuple[PixelWindow, bool]:
    """Return the pixels of a file that are a chip's, and whether their rows are in reverse order.

    Args:
        chip: Grid of the chip.
        file: Grid of the whole file.
        partial: Whether the chip may reach beyond the file.

    Raises:
        RasterError: Reference system, pixel size or lattice differ, or a grid is rotated.
        WindowOutsideError: The chip reaches beyond the file.
    """
    own, other = file.transform, chip.transform
    if own.b or own.d or other.b or other.d or own.is_identity:
        raise RasterError(f"the grid of the file is rotated or missing ({_describe(file)}); expected rows along x")
    if file.crs is None or chip.crs is None or not _same_crs(file.crs, chip.crs):
        raise RasterError(f"the file is in {_crs_name(file)}, but the chip in {_crs_name(chip)}; expected the same")
    column, top = (other.c - own.c) / own.a, (other.f - own.f) / own.e
    is_reversed = own.e * other.e < 0
    row = top - chip.height if is_reversed else top
    size_error = max(abs(other.a / own.a - 1) * chip.width, abs(abs(other.e / own.e) - 1) * chip.height)
    if size_error > TOLERANCE or max(abs(column - round(column)), abs(row - round(row))) > TOLERANCE:
        raise RasterError(
            f"the pixels of the file ({_describe(file)}) are not those of the chip ({_describe(chip)}); expected the "
            "same size and a distance of whole pixels"
        )
    window = PixelWindow(round(row), round(column), chip.height, chip.width)
    if not partial and window.clip(file.shape) != window:
        raise WindowOutsideError(
            f"rows {window.row} to {window.end_row} and columns {window.column} to {window.end_column} of the chip are "
            f"not all inside the file, which has {file.height} x {file.width} pixels"
        )
    return window, is_reversed


@lru_cache(maxsize=64)
def merge_windows(
    windows: tuple[PixelWindow, ...], block_shape: tuple[int, int], max_ratio: float = MAX_RATIO
) -> tuple[MergedWindow, ...]:
    """Merge windows while the blocks of the whole are at most `max_ratio` times those of the members.

    Of all pairs, those that waste the smallest share of blocks are merged first, and of these those that save the most
    requests; a row of blocks of a window is one request. The last results are kept, since the files of a scene share
    their windows.

    Args:
        windows: Windows inside the file.
        block_shape: Rows and columns of a block of the file.
        max_ratio: Largest number of blocks read for each distinct block that the members touch.
    """
    groups: dict[int, MergedWindow] = {}
    pairs: list[tuple[float, int, int, int]] = []
    numbers = count()

    def add(group: MergedWindow) -> None:
        number = next(numbers)
        for other_number, other in groups.items():
            ratio = _merged_ratio(group, other, block_shape, max_ratio)
            if ratio <= max_ratio:
                saved = sum(_count_rows(own, block_shape) for own in (group.window, other.window))
                saved -= _count_rows(group.window.union(other.window), block_shape)
                heapq.heappush(pairs, (ratio, -saved, other_number, number))
        groups[number] = group

    for group in _group_equal(windows, block_shape):
        add(group)
    while pairs:
        *_, first, second = heapq.heappop(pairs)
        if first in groups and second in groups:
            one, two = groups.pop(first), groups.pop(second)
            add(MergedWindow(one.window.union(two.window), one.members + two.members, one.blocks | two.blocks))
    return tuple(sorted(groups.values(), key=lambda group: (group.window.row, group.window.column)))


def _merged_ratio(one: MergedWindow, two: MergedWindow, block_shape: tuple[int, int], max_ratio: float) -> float:
    """Return blocks read for each block that two groups need, if they are read at once; infinite if too many."""
    window = one.window.union(two.window)
    columns = (window.end_column - 1) // block_shape[1] - window.column // block_shape[1] + 1
    num_blocks = _count_rows(window, block_shape) * columns
    if num_blocks > max_ratio * (len(one.blocks) + len(two.blocks)):
        return math.inf
    return num_blocks / len(one.blocks | two.blocks)


def _group_equal(windows: Sequence[PixelWindow], block_shape: tuple[int, int]) -> list[MergedWindow]:
    """Return windows grouped by the blocks that they touch, from the upper left."""
    groups: dict[frozenset[tuple[int, int]], MergedWindow] = {}
    for index in sorted(range(len(windows)), key=lambda index: (windows[index].row, windows[index].column)):
        window = windows[index]
        blocks = window.blocks(block_shape)
        names = groups.get(blocks)
        groups[blocks] = (
            MergedWindow(names.window.union(window), (*names.members, index), blocks)
            if names
            else MergedWindow(window, (index,), blocks)
        )
    return list(groups.values())


def _count_rows(window: PixelWindow, block_shape: tuple[int, int]) -> int:
    """Return the number of rows of blocks that a window touches."""
    return (window.end_row - 1) // block_shape[0] - window.row // block_shape[0] + 1


def _same_crs(first: str, second: str) -> bool:
    return first == second or CRS.from_user_input(first) == CRS.from_user_input(second)


def _crs_name(grid: Grid) -> str:
    if grid.crs is None:
        return "no reference system"
    code = CRS.from_user_input(grid.crs).to_epsg()
    return f"EPSG:{code}" if code else grid.crs[:60]


def _describe(grid: Grid) -> str:
    transform = grid.transform
    return f"{transform.a:g} x {abs(transform.e):g} from {transform.c:.10g}, {transform.f:.10g}"
