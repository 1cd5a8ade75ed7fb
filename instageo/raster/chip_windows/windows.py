"""Place windows in the grid of a file, and merge those that share its blocks. No pixel is read here."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
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
    start = _group_equal(windows, block_shape)
    groups: dict[int, MergedWindow] = {}
    pairs: list[tuple[float, int, int, int]] = []
    extents = _Extents(2 * len(start), block_shape)

    def add(group: MergedWindow) -> None:
        number = extents.add(group)
        for other_number, num_blocks, saved in extents.near(number, max_ratio):
            ratio = num_blocks / len(group.blocks | groups[other_number].blocks)
            if ratio <= max_ratio:
                heapq.heappush(pairs, (ratio, -saved, other_number, number))
        groups[number] = group

    for group in start:
        add(group)
    while pairs:
        *_, first, second = heapq.heappop(pairs)
        if first in groups and second in groups:
            one, two = groups.pop(first), groups.pop(second)
            extents.remove(first, second)
            add(MergedWindow(one.window.union(two.window), one.members + two.members, one.blocks | two.blocks))
    return tuple(sorted(groups.values(), key=lambda group: (group.window.row, group.window.column)))


class _Extents:
    """First and end rows and columns of the blocks of groups, to find those that are worth merging with another.

    Args:
        capacity: Largest number of groups, removed ones included.
        block_shape: Rows and columns of a block of the file.
    """

    def __init__(self, capacity: int, block_shape: tuple[int, int]) -> None:
        self._block_shape, self._count = block_shape, 0
        self._first = np.zeros((capacity, 2), dtype=np.int64)
        self._end = np.zeros((capacity, 2), dtype=np.int64)
        self._needed = np.zeros(capacity, dtype=np.int64)
        self._present = np.zeros(capacity, dtype=bool)

    def add(self, group: MergedWindow) -> int:
        """Return the number of a group."""
        number, window, (height, width) = self._count, group.window, self._block_shape
        self._first[number] = window.row // height, window.column // width
        self._end[number] = (window.end_row - 1) // height + 1, (window.end_column - 1) // width + 1
        self._needed[number], self._present[number] = len(group.blocks), True
        self._count += 1
        return number

    def remove(self, *numbers: int) -> None:
        """Leave out groups that have been merged."""
        self._present[list(numbers)] = False

    def near(self, number: int, max_ratio: float) -> list[tuple[int, int, int]]:
        """Return each earlier group that may be merged with one: its number, blocks of both, and rows of blocks saved.

        Blocks that both need are counted twice, so that some of these groups are still too far away.
        """
        others = np.flatnonzero(self._present[:number])
        rows, columns = (np.maximum(self._end[others], self._end[number]) -
                         np.minimum(self._first[others], self._first[number])).T  # fmt: skip
        close = rows * columns <= max_ratio * (self._needed[others] + self._needed[number])
        heights = self._end[others, 0] - self._first[others, 0] + self._end[number, 0] - self._first[number, 0]
        return list(zip(others[close].tolist(), (rows * columns)[close].tolist(), (heights - rows)[close].tolist(),
                        strict=True))  # fmt: skip


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
