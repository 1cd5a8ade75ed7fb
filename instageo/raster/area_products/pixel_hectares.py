"""Ground area of every pixel of a window, to a millionth."""

import math

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.area_products.smooth_fields import Floats, evaluate_field
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import HECTARES_PER_KM2, areas_at, zone_area_km2

PROBE_KM = 0.1
"""Side of the squares whose area per pixel is computed where pixels are smaller: coordinates are exact to some
nanometres, which is 1e-8 of a square's side at most."""

TOLERANCE = 1e-7
"""Largest error of an area, relative to the area in the plane."""


class PixelHectares:
    """Areas of the pixels of a grid on the ellipsoid WGS 84.

    `compute_pixel_areas` needs less time for whole maps, and is good to 1e-4.

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
        self._affine, self._crs = affine, CRS.from_wkt(grid.crs)
        if not self._crs.is_projected and (not self._crs.is_geographic or affine.b or affine.d):
            raise RasterError(f"{name}: its grid is rotated in degrees, or nowhere on Earth; warp it to another grid")

    def window(self, rows: range, columns: range) -> Floats:
        """Return hectares of the pixels of a window, shape (h, w)."""
        if not self._crs.is_projected:
            return np.broadcast_to(self._geographic_km2(rows)[:, None], (len(rows), len(columns))) * HECTARES_PER_KM2
        unit_km = float(self._crs.linear_units_factor[1]) / 1000
        planar_km2 = abs(self._affine.determinant) * unit_km**2
        side = max(PROBE_KM / math.sqrt(planar_km2), 1.0)

        def relative(rows: Floats, columns: Floats) -> Floats:
            return areas_at(self._crs, self._affine, rows, columns, side)[None] / planar_km2

        [scale] = evaluate_field(relative, rows, columns, TOLERANCE)
        return np.where(np.isfinite(scale), scale, 1) * planar_km2 * HECTARES_PER_KM2

    def _geographic_km2(self, rows: range) -> Floats:
        """Return the areas between parallels and meridians, shape (h,)."""
        unit = float(self._crs.units_factor[1])  # radians; some systems count in grads
        affine: Affine = self._affine
        latitudes = (affine.f + affine.e * np.arange(rows.start, rows.stop + 1)) * unit
        edges: Floats = np.clip(latitudes, -math.pi / 2, math.pi / 2)
        return np.abs(np.diff(zone_area_km2(edges))) * abs(affine.a) * unit / (2 * math.pi)
