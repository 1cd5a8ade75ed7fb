"""Where a chip lies: its home tile, and its window in the grid of that tile.

Windows are whole pixels of the tile's own grid, so nothing is resampled: a chip lies in one tile and one grid at all
dates. Neighbouring MGRS tiles overlap by 9.8 km; the home tile of a point is the one in which it lies deepest.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.matching.lonlat_boxes import clip_to_grid
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_code, transform_coordinates

FALSE_NORTHING_M = 10_000_000
"""Northing of row 0 of products without tiles; all of the Earth lies below it in UTM."""

LATTICE_TOLERANCE = 1e-3
"""Pixels by which positions on the same lattice may differ."""


@dataclass(frozen=True)
class Frame:
    """Grid of a tile, or of a scene of a product without tiles.

    Attributes:
        tile: Name of the tile; scenes that share a lattice have one name.
        grid: Its pixels.
        row: Row of its upper edge in the tile.
        column: Column of its left edge in the tile.
    """

    tile: str
    grid: Grid
    row: int = 0
    column: int = 0


def tile_frame(tile: str, grid: Grid) -> Frame:
    """Return the frame of a tile whose grid is the same for all dates."""
    return Frame(tile_name(tile), grid)


def tile_name(tile: str) -> str:
    """Return the name of a tile in file names: MGRS tiles begin with T."""
    return f"T{tile}" if re.fullmatch(r"\d\d[A-Z]{3}", tile) else re.sub(r"[^\w-]", "-", tile)


def scene_frame(grid: Grid) -> Frame:
    """Return the frame of a scene without a tile: rows and columns are counted on the lattice of its pixels."""
    size = grid.transform.a
    column, x_phase = divmod(grid.transform.c, size)
    row, y_phase = divmod(FALSE_NORTHING_M - grid.transform.f, size)
    name = "-".join([crs_code(grid.crs or ""), *(f"{value:g}" for value in (size, x_phase, y_phase))])
    return Frame(name, grid, int(row), int(column))


@dataclass(frozen=True)
class ChipWindow:
    """Window of a chip in its home tile.

    Attributes:
        tile: Name of the tile.
        row: First row in the tile.
        column: First column in the tile.
        grid: Its pixels.
    """

    tile: str
    row: int
    column: int
    grid: Grid


def place_points(
    lonlats: Sequence[tuple[float, float]], frames: Iterable[Frame], *, size: int, centre: bool
) -> list[ChipWindow | None]:
    """Return the window of the chip of each point, or None for points in no tile.

    Args:
        lonlats: Longitude and latitude of points, degrees.
        frames: Tiles or scenes.
        size: Side of a chip, pixels.
        centre: Whether chips have their points in the centre; at the edge of a tile they are moved inward. Otherwise
            they are cells of a grid that begins at the tile's corner, the last row and column moved inward.
    """
    points = np.asarray(lonlats, dtype=float).reshape(-1, 2)
    margins = np.full(len(points), -1.0)
    homes = np.full(len(points), -1)
    positions = np.zeros((len(points), 2))
    ordered = sorted(frames, key=lambda frame: (frame.tile, frame.row, frame.column))
    for index, frame in enumerate(ordered):
        near, _ = clip_to_grid(points[:, [0, 1, 0, 1]], frame.grid)
        if not len(near) or min(frame.grid.shape) < size:
            continue
        rows, columns = _locate(points[near], frame.grid)
        depth = np.minimum.reduce([rows, columns, frame.grid.height - rows, frame.grid.width - columns])
        with np.errstate(invalid="ignore"):
            deeper = np.isfinite(depth) & (depth > 0) & (depth > margins[near] + LATTICE_TOLERANCE)
        chosen = near[deeper]
        margins[chosen], homes[chosen] = depth[deeper], index
        positions[chosen] = np.stack([rows, columns], axis=1)[deeper]
    windows: list[ChipWindow | None] = []
    cached: dict[tuple[int, int, int], ChipWindow] = {}
    for home, (row, column) in zip(homes.tolist(), positions.tolist(), strict=True):
        if home < 0:
            windows.append(None)
            continue
        frame = ordered[home]
        first = _first(row, frame.row, frame.grid.height, size, centre)
        second = _first(column, frame.column, frame.grid.width, size, centre)
        key = home, first, second
        if key not in cached:
            cached[key] = _place(frame, first, second, size)
        windows.append(cached[key])
    return windows


def cells(frame: Frame, size: int) -> list[ChipWindow]:
    """Return the windows of all cells of a tile, in row-major order."""
    return [
        _place(frame, row, column, size)
        for row in _starts(frame.row, frame.grid.height, size)
        for column in _starts(frame.column, frame.grid.width, size)
    ]


def _starts(origin: int, length: int, size: int) -> list[int]:
    """Return the first rows, or columns, of the cells of a frame, relative to it."""
    return sorted({_first(position, origin, length, size, centre=False) for position in range(0, length, size)} |
                  {length - size}) if length >= size else []  # fmt: skip


def _first(position: float, origin: int, length: int, size: int, centre: bool) -> int:
    """Return the first row, or column, of a window, relative to its frame.

    Args:
        position: Position of the point in the frame, pixels.
        origin: Position of the frame in its tile.
        length: Rows, or columns, of the frame.
        size: Side of the window.
        centre: Whether the point lies in its centre.
    """
    pixel = math.floor(position)
    first = pixel - size // 2 if centre else (pixel + origin) // size * size - origin
    return min(max(first, 0), length - size)


def _place(frame: Frame, row: int, column: int, size: int) -> ChipWindow:
    return ChipWindow(frame.tile, row + frame.row, column + frame.column, frame.grid.window(row, column, size, size))


def _locate(points: NDArray[np.float64], grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows and columns of points in a grid, as fractions; row 0.5 is the centre of the first row."""
    xs, ys = transform_coordinates(WGS84, grid.crs or WGS84, points[:, 0].tolist(), points[:, 1].tolist())
    return grid.from_crs(np.array(xs), np.array(ys))


def corners_lonlat(grids: Mapping[tuple[int, int], Grid]) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Return longitudes and latitudes, shape (4, 2), of the corners of grids of one reference system, by their key."""
    if not grids:
        return {}
    xs: list[float] = []
    ys: list[float] = []
    for grid in grids.values():
        height, width = grid.shape
        own_xs, own_ys = grid.to_crs([0, 0, height, height], [0, width, width, 0])
        xs += own_xs
        ys += own_ys
    crs = next(iter(grids.values())).crs or WGS84
    lons, lats = transform_coordinates(crs, WGS84, xs, ys)
    corners = np.stack([lons, lats], axis=1).reshape(-1, 4, 2)
    return dict(zip(grids, corners, strict=True))
