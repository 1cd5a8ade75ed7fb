"""Which pixels of a grid lie in a polygon of longitude and latitude, and where the grid lies on Earth."""

import math
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize

from instageo.errors import RasterError
from instageo.geodesy.antimeridian import cut_outline
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import SEMI_MAJOR_AXIS_KM
from instageo.raster.warp import WGS84, is_geographic, transform_coordinates

POINTS_PER_SIDE = 256
"""Points on each side of a grid's outline."""

EDGE_ERROR = 1e-5
"""Parts of a pixel by which an edge of a polygon may miss its place on the grid."""

MAX_TANGENT = 60.0
"""Largest tangent of a latitude that counts for how an edge is divided; nearer to a pole pixels decide nothing."""


def outline_grid(grid: Grid, name: str) -> Any:
    """Return the outline of a grid as polygons (shapely) in longitude and latitude, cut at 180 degrees.

    Args:
        grid: The grid.
        name: The map, for messages.

    Raises:
        RasterError: The grid is nowhere on Earth, or reaches beyond the Earth's edge.
    """
    import shapely

    steps = np.arange(POINTS_PER_SIDE) / POINTS_PER_SIDE
    rows = np.concatenate([0 * steps, steps, 0 * steps + 1, 1 - steps]) * grid.height
    columns = np.concatenate([steps, 0 * steps + 1, 1 - steps, 0 * steps]) * grid.width
    xs, ys = grid.to_crs(rows.tolist(), columns.tolist())
    longitudes, latitudes = transform_coordinates(grid.crs or "", WGS84, xs, ys)
    if not np.isfinite([longitudes, latitudes]).all():
        raise RasterError(f"{name}: reaches beyond the Earth's edge; crop the map")
    parts = cut_outline(list(zip(longitudes, latitudes, strict=True))).parts
    whole = shapely.make_valid(shapely.MultiPolygon([shapely.Polygon(part) for part in parts]), method="structure")
    return shapely.union_all([part for part in shapely.get_parts(whole) if part.area > 0])


def move_to_pixels(polygon: Any, grid: Grid, outline: Any) -> Any:
    """Return the part of a polygon near a grid in columns (x) and rows (y) of the grid.

    Edges are straight in longitude and latitude; they are divided so that they miss their place by less than
    a hundred-thousandth of a pixel, so that no centre of a pixel changes sides.

    Args:
        polygon: Polygons (shapely) in longitude and latitude, within -180 to 180 degrees.
        grid: The grid.
        outline: That of `outline_grid`.

    Raises:
        RasterError: The part has no place in the grid's reference system.
    """
    import shapely

    crs = grid.crs or ""
    near = shapely.intersection(polygon, shapely.union_all([shapely.box(*part.bounds) for part in _parts(outline)]))
    near = _polygons(near)
    if near.is_empty:
        return near
    geographic = is_geographic(crs)
    if not geographic:
        near = shapely.segmentize(near, _longest_edge(near, grid))
    inverse = ~grid.transform

    def to_crs(points: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = np.stack(transform_coordinates(WGS84, crs, points[:, 0].tolist(), points[:, 1].tolist()), axis=1)
        if not np.isfinite(moved).all():
            raise RasterError("a polygon has no place in the reference system of the map; crop one of them")
        return moved

    def to_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = points.T
        return np.stack([inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f], axis=1)

    near = shapely.transform(near, to_crs)
    if geographic:
        near = _repeat_turns(near, 2 * math.pi / float(CRS.from_wkt(crs).units_factor[1]))
    moved = shapely.transform(near, to_pixels)
    valid = moved if moved.is_valid else shapely.make_valid(moved, method="structure")
    return _polygons(shapely.clip_by_rect(valid, 0, 0, grid.width, grid.height))


def pixel_box(polygon: Any, grid: Grid) -> tuple[range, range]:
    """Return the rows and columns of the pixels that a polygon in columns and rows may contain."""
    if polygon.is_empty:
        return range(0), range(0)
    left, top, right, bottom = polygon.bounds
    return (
        range(max(math.floor(top), 0), min(math.ceil(bottom), grid.height)),
        range(max(math.floor(left), 0), min(math.ceil(right), grid.width)),
    )


def paint_mask(polygon: Any, rows: range, columns: range) -> NDArray[np.bool_]:
    """Return which pixels of a window have their centre in a polygon in columns and rows, shape (h, w)."""
    import shapely

    part = shapely.clip_by_rect(polygon, columns.start - 1, rows.start - 1, columns.stop + 1, rows.stop + 1)
    shapes = [each for each in _parts(part) if each.geom_type == "Polygon" and not each.is_empty]
    mask = np.zeros((len(rows), len(columns)), np.uint8)
    if shapes:
        rasterize(shapes, out=mask, transform=Affine(1, 0, columns.start, 0, 1, rows.start))
    return mask.astype(np.bool_)


def _longest_edge(polygon: Any, grid: Grid) -> float:
    """Return the longest edge, degrees, whose middle lies within `EDGE_ERROR` of that of its chord.

    A parallel has the curvature of the tangent of its latitude over the Earth's radius; other lines, and those of
    projections, are less curved, or as much as a parallel at 45 degrees.
    """
    unit_m = float(CRS.from_wkt(grid.crs or "").linear_units_factor[1])
    pixel_m = math.sqrt(abs(grid.transform.determinant)) * unit_m
    latitude = max(abs(polygon.bounds[1]), abs(polygon.bounds[3]))
    tangent = min(max(abs(math.tan(math.radians(min(latitude, 89.9)))), 1.0), MAX_TANGENT)
    length_m = math.sqrt(8 * SEMI_MAJOR_AXIS_KM * 1000 * EDGE_ERROR * pixel_m / (2 * tangent))
    return min(math.degrees(length_m / (SEMI_MAJOR_AXIS_KM * 1000)), 0.5)


def _repeat_turns(polygon: Any, turn: float) -> Any:
    """Return a polygon with its copies one turn of longitude to the west and east, for grids that count otherwise."""
    import shapely

    shifts = (np.array([shift, 0.0]) for shift in (-turn, 0.0, turn))
    return shapely.union_all(
        [shapely.transform(polygon, lambda points, shift=shift: points + shift) for shift in shifts]
    )


def _parts(geometry: Any) -> Any:
    import shapely

    return shapely.get_parts(geometry)


def _polygons(geometry: Any) -> Any:
    """Return the polygons of a geometry without its lines and points."""
    import shapely

    return shapely.MultiPolygon([part for part in _parts(geometry) if part.geom_type == "Polygon" and part.area > 0])
