"""Ground area of the pixels of a grid."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from instageo.raster.grid import Grid
from instageo.raster.warp import GDAL_ERRORS, transform_points

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

PROBE_KM = 0.1
"""Side of the squares whose area is computed: coordinates are exact to some nanometres, so the area is to 1e-9."""

MIN_SIDE_KM, MAX_SIDE_KM = 1e-9, 2 * math.pi * SEMI_MAJOR_AXIS_KM
"""Sides that pixels may have: from a micrometre to the length of the equator."""


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


@dataclass(frozen=True)
class AreaScale:
    """Ground area of the pixels of a grid at any position, on the ellipsoid WGS 84; `AreaScale.of` makes one.

    Attributes:
        grid: The pixels.
        crs: Their reference system, projected or geographic.
        pixel_km2: Area of a pixel in the plane of a projected CRS; in a geographic one, at the equator of a sphere.
    """

    grid: Grid
    crs: CRS
    pixel_km2: float

    @classmethod
    def of(cls, grid: Grid) -> "AreaScale | None":
        """Return the areas of a grid.

        Returns:
            None if the grid is nowhere on Earth, rotated in a geographic CRS, or has pixels whose sides are no lengths
            on Earth, as those of damaged files.
        """
        affine = grid.transform
        if grid.crs is None or affine.is_identity or not all(map(math.isfinite, affine)):
            return None
        crs = CRS.from_wkt(grid.crs)
        if not crs.is_projected and (not crs.is_geographic or affine.b or affine.d):
            return None
        unit_km = (
            float(crs.linear_units_factor[1]) / 1000
            if crs.is_projected
            else float(crs.units_factor[1]) * SEMI_MAJOR_AXIS_KM  # radians; some systems count in grads
        )
        sides = (math.hypot(affine.a, affine.d) * unit_km, math.hypot(affine.b, affine.e) * unit_km)
        if not MIN_SIDE_KM <= min(sides) <= max(sides) <= MAX_SIDE_KM or not affine.determinant:
            return None
        return cls(grid, crs, abs(affine.determinant) * unit_km**2)

    def row_km2(self, rows: range) -> NDArray[np.float64]:
        """Return the area of a pixel in each row, between parallels and meridians of a geographic CRS, shape (h,)."""
        affine, unit = self.grid.transform, float(self.crs.units_factor[1])
        latitudes = (affine.f + affine.e * np.arange(rows.start, rows.stop + 1)) * unit
        edges: NDArray[np.float64] = np.clip(latitudes, -math.pi / 2, math.pi / 2)
        areas: NDArray[np.float64] = np.abs(np.diff(zone_area_km2(edges))) * abs(affine.a) * unit / (2 * math.pi)
        return areas

    def at(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the area on the ellipsoid per area in the plane of a projected CRS, shape (R, C); NaN off the Earth.

        It is that of a small square, whose diagonals are computed in space, so that poles are no exception.

        Args:
            rows: Row of each position, shape (R,); 0 is the upper edge of the first pixel.
            columns: Column of each, shape (C,), likewise.
        """
        affine, half = self.grid.transform, PROBE_KM * 1000 / float(self.crs.linear_units_factor[1]) / 2
        x = affine.a * columns + affine.b * rows[:, None] + affine.c
        y = affine.d * columns + affine.e * rows[:, None] + affine.f
        corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
        xs, ys = (each + corners[:, axis, None, None] for axis, each in enumerate((x, y)))
        try:
            lonlat = transform_points(self.crs, CRS.from_epsg(4326), xs.ravel(), ys.ravel())
        except GDAL_ERRORS:
            return np.full(x.shape, np.nan)
        points = _to_space(*np.radians(np.array(lonlat)).reshape(2, *xs.shape))
        with np.errstate(invalid="ignore"):
            normal = np.cross(points[2] - points[0], points[3] - points[1])
        scale: NDArray[np.float64] = np.linalg.norm(normal, axis=-1) / 2 / PROBE_KM**2
        return scale


def compute_pixel_areas(grid: Grid) -> PixelAreas | None:
    """Compute the areas of all pixels of a grid.

    For a projected CRS the scale of areas is computed in some rows and columns.

    Returns:
        None if they have none: see `AreaScale.of`, and those beyond a pole.
    """
    scale = AreaScale.of(grid)
    if scale is None:
        return None
    if scale.crs.is_projected:
        areas = _projected_areas(scale)
    else:
        areas = PixelAreas(scale.row_km2(range(grid.height))[:, None], np.array([0, grid.width]))
    return areas if areas.km2.any() else None


def _projected_areas(scale: AreaScale) -> PixelAreas:
    """Return areas on the ellipsoid; where these cannot be computed, those in the plane."""
    grid, unit_km = scale.grid, float(scale.crs.linear_units_factor[1]) / 1000
    affine = grid.transform
    height_km = grid.height * math.hypot(affine.b, affine.e) * unit_km
    width_km = grid.width * math.hypot(affine.a, affine.d) * unit_km
    num_rows = int(np.clip(math.ceil(height_km / ROW_SPACING_KM) + 1, 2, MAX_SAMPLE_ROWS))
    most_bands = min(max(MAX_AREAS // grid.height, MIN_COLUMN_BANDS), MAX_COLUMN_BANDS, grid.width)
    num_bands = int(np.clip(math.ceil(width_km / COLUMN_SPACING_KM), 1, most_bands))
    rows = np.linspace(0, grid.height, num_rows)
    column_ends = np.linspace(0, grid.width, num_bands + 1).round().astype(np.int64)
    sampled = scale.at(rows, (column_ends[:-1] + column_ends[1:]) / 2)
    scales = np.ones((grid.height, num_bands))
    middles = np.arange(grid.height) + 0.5
    for band, column in enumerate(sampled.T):
        if (computed := np.isfinite(column)).any():
            scales[:, band] = np.interp(middles, rows[computed], column[computed])
    return PixelAreas(scales * scale.pixel_km2, column_ends, scale.pixel_km2)


def _to_space(longitude: NDArray[np.float64], latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Cartesian coordinates of points on the ellipsoid, km, shape (..., 3); NaN where they are missing."""
    squared_eccentricity = FLATTENING * (2 - FLATTENING)
    with np.errstate(invalid="ignore"):
        radius = SEMI_MAJOR_AXIS_KM / np.sqrt(1 - squared_eccentricity * np.sin(latitude) ** 2)
        across = radius * np.cos(latitude)
        up = radius * (1 - squared_eccentricity) * np.sin(latitude)
        return np.stack([across * np.cos(longitude), across * np.sin(longitude), up], axis=-1)


def zone_area_km2(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of the ellipsoid between the equator and a latitude in radians, km².

    It is negative south of the equator (Snyder 1987, Map Projections, 3-12).
    """
    squared_eccentricity = FLATTENING * (2 - FLATTENING)
    eccentricity, sine = np.sqrt(squared_eccentricity), np.sin(latitude)
    authalic = sine / (1 - squared_eccentricity * sine**2) + np.arctanh(eccentricity * sine) / eccentricity
    zone: NDArray[np.float64] = np.pi * SEMI_MAJOR_AXIS_KM**2 * (1 - squared_eccentricity) * authalic
    return zone
