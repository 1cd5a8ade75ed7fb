"""Polygons on the pixels of a chip, or of a scene of any size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.warp import transform_geom

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.warp import GDAL_ERRORS, crs_wkt, same_crs

BAND_ROWS = 1024
"""Rows that are painted at once."""


@dataclass(frozen=True)
class PaintedPolygons:
    """Values of polygons on a grid.

    Attributes:
        values: Shape (H, W), float64; 0 outside of polygons.
        valid: Shape (H, W), where there is a polygon, and polygons agree or the first one counts.
        conflicts: Shape (H, W), where polygons of different values overlap.
    """

    values: NDArray[np.float64]
    valid: NDArray[np.bool_]
    conflicts: NDArray[np.bool_]


def paint_polygons(
    polygons: Sequence[tuple[Mapping[str, Any], float]], crs: str, grid: Grid, *, first_wins: bool = False
) -> PaintedPolygons:
    """Paint polygons onto a grid; a pixel belongs to a polygon that contains its centre.

    Args:
        polygons: Polygons or multipolygons (GeoJSON), whose holes stay empty, and their values.
        crs: Their coordinate reference system; longitude or easting comes first.
        grid: Pixels to paint.
        first_wins: Whether the first of overlapping polygons counts; otherwise pixels in which values differ are not
            valid.

    Raises:
        RasterError: PROJ cannot transform between the two reference systems.
    """
    shapes = [(_transform(geometry, crs, grid), value) for geometry, value in polygons]
    by_value = sorted(shapes, key=lambda shape: shape[1])
    highest, lowest = _paint(by_value, grid), _paint(by_value[::-1], grid)
    covered = ~np.isnan(highest)
    conflicts = covered & (highest != lowest)
    values = _paint(shapes[::-1], grid) if first_wins else highest
    valid = covered if first_wins else covered & ~conflicts
    return PaintedPolygons(np.where(valid, values, 0.0), valid, conflicts)


def _transform(geometry: Mapping[str, Any], crs: str, grid: Grid) -> Mapping[str, Any]:
    target = grid.crs or ""
    if same_crs(crs_wkt(crs), target):
        return geometry
    try:
        moved: Mapping[str, Any] = transform_geom(crs_wkt(crs), target, geometry)
    except GDAL_ERRORS as error:
        raise RasterError(f"a polygon cannot be transformed to the chip's reference system ({error})") from error
    return moved


def _paint(shapes: Sequence[tuple[Mapping[str, Any], float]], grid: Grid) -> NDArray[np.float64]:
    """Return the value of the last polygon of each pixel, NaN without one."""
    canvas = np.full(grid.shape, np.nan)
    if shapes:
        rasterize(shapes, out=canvas, transform=grid.transform, all_touched=False)
    return canvas


class PolygonMask:
    """Pixels whose centre lies in a polygon, kept as bits, so that large scenes need little memory.

    Args:
        geometry: Polygon or multipolygon (GeoJSON), in the reference system of the grid.
        grid: The pixels.
    """

    def __init__(self, geometry: Mapping[str, Any], grid: Grid) -> None:
        self._width = grid.width
        self._bits = np.concatenate([
            np.packbits(_paint_band(geometry, grid, row, min(BAND_ROWS, grid.height - row)), axis=1)
            for row in range(0, grid.height, BAND_ROWS)
        ])  # fmt: skip

    def window(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return which pixels of a window lie in the polygon, shape (h, w)."""
        first = columns.start // 8
        bits = np.unpackbits(self._bits[rows, first : -(-columns.stop // 8)], axis=1)
        return bits[:, columns.start - 8 * first : columns.stop - 8 * first].astype(bool)

    def count(self) -> int:
        """Return the number of pixels in the polygon."""
        return int(np.bitwise_count(self._bits).sum(dtype=np.int64))


def _paint_band(geometry: Mapping[str, Any], grid: Grid, row: int, height: int) -> NDArray[np.uint8]:
    band = grid.window(row, 0, height, grid.width)
    mask: NDArray[np.uint8] = rasterize(
        [(geometry, 1)], out_shape=band.shape, transform=band.transform, all_touched=False, dtype="uint8"
    )
    return mask
