"""Ground area of the pixels of a grid."""

import math

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from instageo.raster.grid import Grid

SEMI_MAJOR_AXIS_KM, FLATTENING = 6378.137, 1 / 298.257223563
"""Ellipsoid of WGS 84."""


def compute_pixel_areas_km2(grid: Grid) -> NDArray[np.float64] | None:
    """Compute the area of one pixel in each row, km², shape (H,).

    For a geographic CRS it is the area on the ellipsoid WGS 84 between two parallels and two meridians. For a projected
    CRS it is the area in the plane, which conformal projections such as UTM keep to a few parts in a thousand.

    Returns:
        None if the grid is nowhere on Earth, or rotated in a geographic CRS.
    """
    affine = grid.transform
    if grid.crs is None or affine.is_identity or not all(map(math.isfinite, affine)):
        return None
    crs = CRS.from_wkt(grid.crs)
    if crs.is_projected:
        unit_km = crs.linear_units_factor[1] / 1000
        return np.full(grid.height, abs(affine.determinant) * unit_km**2)
    if not crs.is_geographic or affine.b or affine.d:
        return None
    unit = float(crs.units_factor[1])  # radians; some systems count in grads
    edges: NDArray[np.float64] = np.clip(
        (affine.f + affine.e * np.arange(grid.height + 1)) * unit, -math.pi / 2, math.pi / 2
    )
    return np.abs(np.diff(_zone_area_km2(edges))) * abs(affine.a) * unit / (2 * math.pi)


def _zone_area_km2(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the ellipsoid between the equator and a latitude in radians, km² (Snyder 1987, Map Projections, 3-12)."""
    squared_eccentricity = FLATTENING * (2 - FLATTENING)
    eccentricity, sine = np.sqrt(squared_eccentricity), np.sin(latitude)
    authalic = sine / (1 - squared_eccentricity * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    zone: NDArray[np.float64] = np.pi * SEMI_MAJOR_AXIS_KM**2 * (1 - squared_eccentricity) * authalic
    return zone
