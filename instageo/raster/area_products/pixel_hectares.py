"""Ground area of every pixel of a window, to a millionth."""

import math

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.area_products.smooth_fields import Floats, evaluate_field
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import FLATTENING, HECTARES_PER_KM2, SEMI_MAJOR_AXIS_KM, zone_area_km2
from instageo.raster.warp import WGS84, transform_coordinates

PROBE_KM = 0.1
"""Side of the squares whose area is computed: coordinates are exact to some nanometres, so the area is to 1e-9."""

TOLERANCE = 1e-7
"""Largest error of an area, relative to the area in the plane."""


class PixelHectares:
    """Areas of the pixels of a grid on the ellipsoid WGS 84.

    `compute_pixel_areas` needs less time for whole maps, and is good to 2e-6 in UTM.

    Args:
        grid: The pixels.
        name: The map, for messages.

    Raises:
        RasterError: The grid is nowhere on Earth, or rotated in degrees.
    """

    def __init__(self, grid: Grid, name: str) -> None:
        affine = grid.transform
        if grid.crs is None or affine.is_identity or not all(map(math.isfinite, affine)):
            raise RasterError(f"{name}: has no georeference, so its pixels have no area; write the map with one")
        self._affine, self._wkt, self._crs = affine, grid.crs, CRS.from_wkt(grid.crs)
        if not self._crs.is_projected and (not self._crs.is_geographic or affine.b or affine.d):
            raise RasterError(f"{name}: its grid is rotated in degrees, or nowhere on Earth; warp it to another grid")

    def window(self, rows: range, columns: range) -> Floats:
        """Return hectares of the pixels of a window, shape (h, w)."""
        if not self._crs.is_projected:
            return np.broadcast_to(self._geographic_km2(rows)[:, None], (len(rows), len(columns))) * HECTARES_PER_KM2
        planar_km2 = abs(self._affine.determinant) * (float(self._crs.linear_units_factor[1]) / 1000) ** 2
        [scale] = evaluate_field(self._scale, rows, columns, TOLERANCE)
        return np.where(np.isfinite(scale), scale, 1) * planar_km2 * HECTARES_PER_KM2

    def _scale(self, rows: Floats, columns: Floats) -> Floats:
        """Return the area on the ellipsoid per area in the plane at some rows and columns, shape (1, R, C).

        It is that of a small square, whose diagonals are computed in space, so that poles are no exception.
        """
        affine, half = self._affine, PROBE_KM * 1000 / float(self._crs.linear_units_factor[1]) / 2
        x = affine.a * columns + affine.b * rows[:, None] + affine.c
        y = affine.d * columns + affine.e * rows[:, None] + affine.f
        corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
        xs, ys = (each + corners[:, axis, None, None] for axis, each in enumerate((x, y)))
        lonlat = transform_coordinates(self._wkt, WGS84, xs.ravel().tolist(), ys.ravel().tolist())
        points = _to_space(*np.radians(np.array(lonlat)).reshape(2, *xs.shape))
        with np.errstate(invalid="ignore"):
            normal = np.cross(points[2] - points[0], points[3] - points[1])
        scale: Floats = np.linalg.norm(normal, axis=-1)[None] / 2 / PROBE_KM**2
        return scale

    def _geographic_km2(self, rows: range) -> Floats:
        """Return the areas between parallels and meridians, shape (h,)."""
        unit = float(self._crs.units_factor[1])  # radians; some systems count in grads
        affine: Affine = self._affine
        latitudes = (affine.f + affine.e * np.arange(rows.start, rows.stop + 1)) * unit
        edges: Floats = np.clip(latitudes, -math.pi / 2, math.pi / 2)
        return np.abs(np.diff(zone_area_km2(edges))) * abs(affine.a) * unit / (2 * math.pi)


def _to_space(longitude: Floats, latitude: Floats) -> Floats:
    """Return Cartesian coordinates of points on the ellipsoid, km, shape (..., 3); NaN where they are missing."""
    squared_eccentricity = FLATTENING * (2 - FLATTENING)
    with np.errstate(invalid="ignore"):
        radius = SEMI_MAJOR_AXIS_KM / np.sqrt(1 - squared_eccentricity * np.sin(latitude) ** 2)
        across = radius * np.cos(latitude)
        up = radius * (1 - squared_eccentricity) * np.sin(latitude)
        return np.stack([across * np.cos(longitude), across * np.sin(longitude), up], axis=-1)
