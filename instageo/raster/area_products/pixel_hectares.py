"""Ground area of every pixel of a window, to a millionth."""

import numpy as np

from instageo.errors import RasterError
from instageo.raster.area_products.smooth_fields import Floats, evaluate_field
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import HECTARES_PER_KM2, AreaScale

TOLERANCE = 1e-7
"""Largest error of an area, relative to the area in the plane."""


class PixelHectares:
    """Areas of the pixels of a grid on the ellipsoid WGS 84.

    `compute_pixel_areas` needs less time for whole maps, and is good to 2e-6 in UTM.

    Args:
        grid: The pixels.
        name: The map, for messages.

    Raises:
        RasterError: The pixels have no area; see `AreaScale.of`.
    """

    def __init__(self, grid: Grid, name: str) -> None:
        scale = AreaScale.of(grid)
        if scale is None and (grid.crs is None or grid.transform.is_identity):
            raise RasterError(f"{name}: has no georeference, so its pixels have no area; write the map with one")
        if scale is None:
            raise RasterError(
                f"{name}: its grid is rotated in degrees, nowhere on Earth, or has pixels of no possible size; warp "
                "it to another grid"
            )
        self._scale = scale

    def window(self, rows: range, columns: range) -> Floats:
        """Return hectares of the pixels of a window, shape (h, w)."""
        if not self._scale.crs.is_projected:
            km2 = self._scale.row_km2(rows)[:, None]
            return np.broadcast_to(km2, (len(rows), len(columns))) * HECTARES_PER_KM2
        [scale] = evaluate_field(lambda *at: self._scale.at(*at)[None], rows, columns, TOLERANCE)
        return np.where(np.isfinite(scale), scale, 1) * self._scale.pixel_km2 * HECTARES_PER_KM2
