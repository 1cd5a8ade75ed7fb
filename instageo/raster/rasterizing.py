"""Polygons on the pixels of a chip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.features import rasterize
from rasterio.warp import transform_geom

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt, same_crs


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
    except (RasterioError, CPLE_BaseError) as error:
        raise RasterError(f"a polygon cannot be transformed to the chip's reference system ({error})") from error
    return moved


def _paint(shapes: Sequence[tuple[Mapping[str, Any], float]], grid: Grid) -> NDArray[np.float64]:
    """Return the value of the last polygon of each pixel, NaN without one."""
    canvas = np.full(grid.shape, np.nan)
    if shapes:
        rasterize(shapes, out=canvas, transform=grid.transform, all_touched=False)
    return canvas
