"""Footprints of rasters: their corners on Earth, and the circle on the ground that encloses them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from instageo.geodesy.circles import Circles, great_circle_km
from instageo.raster.grid import Grid
from instageo.raster.warp import GDAL_ERRORS, transform_points


@dataclass(frozen=True)
class Footprint:
    """Where a raster lies.

    Attributes:
        corners: Longitude and latitude of the corners, degrees (WGS 84), shape (4, 2): upper left, upper right, lower
            right and lower left pixel of the file.
        center: Longitude and latitude of the centre.
        half_diagonal_km: Great-circle distance from the centre to the farthest corner.
    """

    corners: NDArray[np.float64] = field(repr=False)
    center: tuple[float, float]
    half_diagonal_km: float


def find_footprint(grid: Grid) -> Footprint | None:
    """Return the footprint of a grid, or None if the grid has no coordinate reference system or is not on Earth."""
    corners, center = grid.corners_lonlat(), grid.center_lat_lon()
    if corners is None or center is None:
        return None
    lonlat = np.array(corners)
    latitude, longitude = center
    half_diagonal = float(great_circle_km(lonlat, (longitude, latitude)).max())
    return Footprint(lonlat, (longitude, latitude), half_diagonal)


def enclosing_circles(footprints: Sequence[Footprint]) -> Circles:
    """Return the circles that enclose footprints, for distances between them."""
    radii = [footprint.half_diagonal_km for footprint in footprints]
    return Circles.around([footprint.center for footprint in footprints], np.array(radii, dtype=np.float64))


def find_footprints(grids: Sequence[Grid]) -> list[Footprint | None]:
    """Return what `find_footprint` returns for each grid, in a fraction of the time for many."""
    result: list[Footprint | None] = [None] * len(grids)
    by_crs: dict[str, list[int]] = defaultdict(list)
    for number, grid in enumerate(grids):
        if grid.transform.is_identity:  # no place, or control points
            result[number] = find_footprint(grid)
        elif grid.crs is not None:
            by_crs[grid.crs].append(number)
    for crs, numbers in by_crs.items():
        lonlats = _transform(crs, np.array([_corners_and_center(grids[number]) for number in numbers]))
        for number, own in zip(numbers, lonlats, strict=True):
            is_on_earth = np.isfinite(own).all() and abs(own[4, 1]) <= 90
            result[number] = _footprint(own) if is_on_earth else find_footprint(grids[number])
    return result


def _corners_and_center(grid: Grid) -> NDArray[np.float64]:
    """Return x and y of the corners and the centre, (5, 2)."""
    height, width = grid.shape
    xs, ys = grid.to_crs([0, 0, height, height, height / 2], [0, width, width, 0, width / 2])
    return np.stack([xs, ys], axis=1)


def _transform(crs: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitude and latitude of points (N, 5, 2); NaN if they cannot be transformed together."""
    xs, ys = points.reshape(-1, 2).T
    try:
        longitudes, latitudes = transform_points(CRS.from_wkt(crs), CRS.from_epsg(4326), xs, ys)
    except GDAL_ERRORS:
        return np.full(points.shape, np.nan)
    return np.stack([longitudes, latitudes], axis=1).reshape(points.shape)


def _footprint(points: NDArray[np.float64]) -> Footprint:
    longitude, latitude = float((points[4, 0] + 180) % 360 - 180), float(points[4, 1])
    corners = points[:4].copy()
    return Footprint(corners, (longitude, latitude), float(great_circle_km(corners, (longitude, latitude)).max()))
