"""Directions and lengths on the ground at the centre of a grid."""

import math

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import FLATTENING, SEMI_MAJOR_AXIS_KM
from instageo.raster.warp import WGS84, transform_coordinates

MAX_LATITUDE = 89.9
"""Closer to a pole, degrees, there is no direction that is north all over a map."""


def ground_jacobian(grid: Grid) -> NDArray[np.float64] | None:
    """Return how far east and north one column and one row lead on the ground at the centre of a grid.

    Returns:
        Shape (2, 2), metres on the ellipsoid WGS 84: east and north by column and row. None if the grid is nowhere on
        Earth, or its centre is at a pole.
    """
    if grid.crs is None or grid.transform.is_identity:
        return None
    row, column = grid.height / 2, grid.width / 2
    xs, ys = grid.to_crs([row, row, row, row - 0.5, row + 0.5], [column, column - 0.5, column + 0.5, column, column])
    try:
        longitudes, latitudes = map(np.array, transform_coordinates(grid.crs, WGS84, xs, ys))
    except RasterError:
        return None
    if not (np.isfinite(longitudes).all() and np.isfinite(latitudes).all()) or abs(latitudes[0]) > MAX_LATITUDE:
        return None
    meridian_m, parallel_m = _degree_lengths_m(latitudes[0])
    east = (np.diff(longitudes)[[1, 3]] + 180) % 360 - 180
    jacobian = np.array([east * parallel_m, np.diff(latitudes)[[1, 3]] * meridian_m])
    return jacobian if abs(np.linalg.det(jacobian)) > 0 else None


def _degree_lengths_m(latitude: float) -> tuple[float, float]:
    """Return the length of a degree of the meridian and of the parallel at a latitude, metres."""
    squared_eccentricity = FLATTENING * (2 - FLATTENING)
    radians = math.radians(latitude)
    root = math.sqrt(1 - squared_eccentricity * math.sin(radians) ** 2)
    degree_m = math.radians(1) * SEMI_MAJOR_AXIS_KM * 1000
    return degree_m * (1 - squared_eccentricity) / root**3, degree_m * math.cos(radians) / root
