"""Boxes of longitude and latitude, shape (N, 4): west, south, east and north, degrees.

West is from -180 to 180, and east is never less than west: it exceeds 180 where a box crosses that longitude.
"""

import numpy as np
from numpy.typing import NDArray

from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, transform_coordinates

Boxes = NDArray[np.float64]

POINTS_OF_EDGE = 9
"""Points of each edge of a box that are transformed, because straight edges may be curved in the other system."""


def boxes_in_degrees(bounds: NDArray[np.float64], crs: str) -> Boxes:
    """Return the boxes of bounds (left, bottom, right, top) in a reference system, shape (N, 4)."""
    boxes = bounds
    if crs != WGS84:
        lons, lats = _edges(bounds, crs, WGS84)
        lons = lons[:, :1] + (lons - lons[:, :1] + 180) % 360 - 180
        boxes = np.stack([lons.min(axis=1), lats.min(axis=1), lons.max(axis=1), lats.max(axis=1)], axis=1)
    turns = np.floor((boxes[:, :1] + 180) / 360)  # longitudes may also be written as 0 to 360
    return np.asarray(boxes - 360 * turns * [1, 0, 1, 0])


def clip_to_grid(boxes: Boxes, grid: Grid) -> tuple[NDArray[np.intp], Boxes]:
    """Return the indices of the boxes that touch the surroundings of a grid, and their parts within them.

    The surroundings are the grid's own box with a margin of some kilometres.
    """
    height, width = grid.shape
    along = np.linspace(0, 1, 5)
    edge = [(row * height, column * width) for row in along for column in along if {row, column} & {0.0, 1.0}]
    xs, ys = grid.to_crs([row for row, _ in edge], [column for _, column in edge])
    lons, lats = (np.array(values) for values in transform_coordinates(grid.crs or WGS84, WGS84, xs, ys))
    finite = np.isfinite(lons) & np.isfinite(lats)
    if not finite.any():
        return np.arange(len(boxes)), boxes
    lons, lats = lons[finite], lats[finite]
    middle = lons[0]
    lons = (lons - middle + 180) % 360 - 180
    margin = 0.05 + 0.02 * (lats.max() - lats.min())
    least, most = lons.min() - margin, lons.max() + margin
    west = (boxes[:, 0] - middle + 180) % 360 - 180
    east = west + boxes[:, 2] - boxes[:, 0]
    is_beyond = west > most
    west, east = west - 360 * is_beyond, east - 360 * is_beyond  # it may reach around the Earth to the other side
    south, north = np.maximum(boxes[:, 1], lats.min() - margin), np.minimum(boxes[:, 3], lats.max() + margin)
    west, east = np.maximum(west, least), np.minimum(east, most)
    near = np.flatnonzero((west <= east) & (south <= north))
    return near, np.stack([west + middle, south, east + middle, north], axis=1)[near]


def pixels_of(boxes: Boxes, grid: Grid) -> NDArray[np.float64]:
    """Return first and last row and first and last column of boxes near a grid, as fractions, shape (N, 4)."""
    xs, ys = _edges(boxes, WGS84, grid.crs or WGS84)
    rows, columns = grid.from_crs(xs, ys)
    return np.stack([rows.min(axis=1), rows.max(axis=1), columns.min(axis=1), columns.max(axis=1)], axis=1)


def _edges(bounds: NDArray[np.float64], source: str, target: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x and y of points on the edges of bounds in another reference system, each of shape (N, points)."""
    along = np.linspace(0, 1, POINTS_OF_EDGE)
    unit = np.array([(x, y) for x in along for y in along if {x, y} & {0.0, 1.0}])
    size = bounds[:, 2:] - bounds[:, :2]
    points = bounds[:, None, :2] + unit * size[:, None]
    xs, ys = transform_coordinates(source, target, points[..., 0].ravel().tolist(), points[..., 1].ravel().tolist())
    return np.reshape(xs, points.shape[:2]), np.reshape(ys, points.shape[:2])
