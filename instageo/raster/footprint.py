"""Footprints of rasters: their corners on Earth, and the circle on the ground that encloses them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instageo.ground_circles import Circles, great_circle_km
from instageo.raster.grid import Grid


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
