"""Ground area of the pixels of a grid."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError

from instageo.raster.grid import Grid
from instageo.raster.warp import transform_points

SEMI_MAJOR_AXIS_KM, FLATTENING = 6378.137, 1 / 298.257223563
"""Ellipsoid of WGS 84."""

HECTARES_PER_KM2 = 100.0

ROW_SPACING_KM, COLUMN_SPACING_KM = 20.0, 0.3
"""How far apart areas are computed along columns, with interpolation, and along rows, without: in UTM their errors stay
below 2e-6."""

MAX_SAMPLE_ROWS, MAX_COLUMN_BANDS, MIN_COLUMN_BANDS = 257, 1024, 64
"""Most places at which areas are computed; fewer along rows if there are many rows."""

MAX_AREAS = 1 << 22
"""Most areas, rows times bands, that are held, unless that leaves fewer than `MIN_COLUMN_BANDS`."""

EARTH_KM2 = 510_065_622
"""Surface of the ellipsoid WGS 84; damaged files have pixels that are larger, or without bounds."""

MAX_LATITUDE = math.radians(89.99)
"""Closer to a pole areas are interpolated, since longitudes say little there."""


@dataclass(frozen=True)
class PixelAreas:
    """Ground area of each pixel of a grid; it is the same for all pixels of a row within a band of columns.

    Attributes:
        km2: Area of one pixel in each row and band, shape (H, P).
        column_ends: Column with which each band begins, and at last the width, shape (P + 1,).
        planar_km2: Area of every pixel in the plane of a projected CRS; None in a geographic one.
    """

    km2: NDArray[np.float64]
    column_ends: NDArray[np.int64]
    planar_km2: float | None = None

    @cached_property
    def row_means_km2(self) -> NDArray[np.float64]:
        """Mean area of the pixels of each row, shape (H,)."""
        means: NDArray[np.float64] = self.km2 @ np.diff(self.column_ends) / self.column_ends[-1]
        return means

    @property
    def planar_scale(self) -> float | None:
        """Area of the grid in the plane per area on the ellipsoid; None in a geographic CRS."""
        return None if self.planar_km2 is None else self.planar_km2 / float(self.row_means_km2.mean())

    def sum_km2(self, mask: NDArray[np.bool_]) -> float:
        """Return the area of the pixels of a mask (H, W)."""
        counts = np.add.reduceat(mask, self.column_ends[:-1], axis=1, dtype=np.int64)
        return float((counts * self.km2).sum())

    def cumulative_km2(self) -> NDArray[np.float64]:
        """Return the area above each row and left of each band's end, shape (H + 1, P + 1)."""
        sums = np.zeros((len(self.km2) + 1, len(self.column_ends)))
        sums[1:, 1:] = (self.km2 * np.diff(self.column_ends)).cumsum(axis=0).cumsum(axis=1)
        return sums


def compute_pixel_areas(grid: Grid) -> PixelAreas | None:
    """Compute the areas of pixels on the ellipsoid WGS 84.

    For a geographic CRS they are those between parallels and meridians. For a projected CRS the scale of areas is
    computed in some rows and columns.

    Returns:
        None if the grid is nowhere on Earth, has pixels larger than the Earth, or is rotated in a geographic CRS.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of damaged files
        areas = _areas_of(grid)
    return areas if areas is not None and (areas.km2 <= EARTH_KM2).all() else None


def _areas_of(grid: Grid) -> PixelAreas | None:
    affine = grid.transform
    if grid.crs is None or affine.is_identity or not all(map(math.isfinite, affine)):
        return None
    crs = CRS.from_wkt(grid.crs)
    if crs.is_projected:
        return _projected_areas(grid, crs)
    if not crs.is_geographic or affine.b or affine.d:
        return None
    unit = float(crs.units_factor[1])  # radians; some systems count in grads
    edges: NDArray[np.float64] = np.clip(
        (affine.f + affine.e * np.arange(grid.height + 1)) * unit, -math.pi / 2, math.pi / 2
    )
    areas = np.abs(np.diff(zone_area_km2(edges))) * abs(affine.a) * unit / (2 * math.pi)
    return PixelAreas(areas[:, None], np.array([0, grid.width]))


def _projected_areas(grid: Grid, crs: CRS) -> PixelAreas:
    """Return areas on the ellipsoid; where these cannot be computed, those in the plane."""
    affine, unit_km = grid.transform, float(crs.linear_units_factor[1]) / 1000
    height_km = grid.height * math.hypot(affine.b, affine.e) * unit_km
    width_km = grid.width * math.hypot(affine.a, affine.d) * unit_km
    num_rows = int(np.clip(np.ceil(height_km / ROW_SPACING_KM) + 1, 2, MAX_SAMPLE_ROWS))
    most_bands = min(max(MAX_AREAS // grid.height, MIN_COLUMN_BANDS), MAX_COLUMN_BANDS, grid.width)
    num_bands = int(np.clip(np.ceil(width_km / COLUMN_SPACING_KM), 1, most_bands))
    rows = np.linspace(0, grid.height, num_rows)
    column_ends = np.linspace(0, grid.width, num_bands + 1).round().astype(np.int64)
    sampled = _areas_at(crs, affine, rows, (column_ends[:-1] + column_ends[1:]) / 2)
    planar_km2 = abs(affine.determinant) * unit_km**2
    km2 = np.full((grid.height, num_bands), planar_km2)
    middles = np.arange(grid.height) + 0.5
    for band, areas in enumerate(sampled.T):
        if (computed := np.isfinite(areas)).any():
            km2[:, band] = np.interp(middles, rows[computed], areas[computed])
    return PixelAreas(km2, column_ends, planar_km2)


def _areas_at(crs: CRS, affine: Affine, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of a pixel around each of some positions, km², shape (R, C); NaN where there is none.

    Longitude and the area between the equator and a latitude are the coordinates of an equal-area projection, in which
    the area of a quadrilateral follows from its diagonals.
    """
    shifts = np.array([[-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5]])[:, None, None]  # of columns and rows
    down, across = rows[:, None, None] + shifts[1], columns[:, None] + shifts[0]
    xs, ys = affine.a * across + affine.b * down + affine.c, affine.d * across + affine.e * down + affine.f
    try:
        lonlat = transform_points(crs, CRS.from_epsg(4326), xs.ravel(), ys.ravel())
    except (RasterioError, CRSError, CPLE_BaseError):
        return np.full((len(rows), len(columns)), np.nan)
    longitude, latitude = np.radians(np.array(lonlat, dtype=np.float64)).reshape(2, *xs.shape)
    is_on_earth = np.isfinite(longitude) & (abs(latitude) < MAX_LATITUDE)
    longitude, latitude = np.where(is_on_earth, longitude, np.nan), np.where(is_on_earth, latitude, np.nan)
    zone = zone_area_km2(latitude) / (2 * math.pi)
    (east, other_east), (north, other_north) = (
        (each[..., 2] - each[..., 0], each[..., 3] - each[..., 1]) for each in (longitude, zone)
    )
    east, other_east = ((each + math.pi) % (2 * math.pi) - math.pi for each in (east, other_east))
    areas: NDArray[np.float64] = abs(east * other_north - other_east * north) / 2
    return areas


def zone_area_km2(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of the ellipsoid between the equator and a latitude in radians, km².

    It is negative south of the equator (Snyder 1987, Map Projections, 3-12).
    """
    squared_eccentricity = FLATTENING * (2 - FLATTENING)
    eccentricity, sine = np.sqrt(squared_eccentricity), np.sin(latitude)
    authalic = sine / (1 - squared_eccentricity * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    zone: NDArray[np.float64] = np.pi * SEMI_MAJOR_AXIS_KM**2 * (1 - squared_eccentricity) * authalic
    return zone
