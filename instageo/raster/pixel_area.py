"""How much ground the pixels of a grid cover."""

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from instageo.raster.grid import Grid

EQUATOR_KM, FLATTENING = 6378.137, 1 / 298.257223563
"""Half the larger axis and the flattening of WGS 84."""


def row_areas_km2(grid: Grid) -> NDArray[np.float64] | None:
    """Area of one pixel in each row, km², shape (H,).

    In degrees it is that of the ellipsoid WGS 84 between two parallels and meridians; in a projection it is that of the
    plane, which conformal ones such as UTM keep to a few parts in a thousand.

    Returns:
        None where the grid lies nowhere on Earth, or is turned and in degrees.
    """
    turn = grid.transform
    if grid.crs is None or turn.is_identity:
        return None
    crs = CRS.from_wkt(grid.crs)
    if crs.is_projected:
        unit_km = crs.linear_units_factor[1] / 1000
        return np.full(grid.height, abs(turn.determinant) * unit_km**2)
    if not crs.is_geographic or turn.b or turn.d:
        return None
    edges = np.radians(np.clip(turn.f + turn.e * np.arange(grid.height + 1), -90, 90))
    return np.abs(np.diff(_zone_km2(edges))) * abs(turn.a) / 360


def _zone_km2(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the ellipsoid between the equator and a latitude in radians, km² (Snyder 1987, Map Projections, 3-12)."""
    squared = FLATTENING * (2 - FLATTENING)
    root, sine = np.sqrt(squared), np.sin(latitude)
    part = sine / (1 - squared * sine**2) + np.arctanh(root * sine) / root
    zone: NDArray[np.float64] = np.pi * EQUATOR_KM**2 * (1 - squared) * part
    return zone
