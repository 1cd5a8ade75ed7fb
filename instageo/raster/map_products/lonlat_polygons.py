"""Polygons in longitude and latitude as GeoJSON wants them (RFC 7946): cut at the antimeridian."""

from dataclasses import replace
from typing import Any

import numpy as np

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.map_products.polygon_batch import Floats, PolygonBatch
from instageo.raster.warp import WGS84, crs_wkt, is_geographic, same_crs, transform_coordinates

VERTEX_SPACING = 64
"""Rows and columns between vertices on the edges of polygons of projected maps, whose straight lines are curves."""

MAX_LONGITUDE, MAX_LATITUDE = 720, 91
"""Degrees up to which grids may reach over the antimeridian and the poles."""

DIGITS = 8
"""Decimal places of degrees, about a millimetre."""


def to_lonlat(batch: PolygonBatch, grid: Grid, name: str) -> Any:
    """Return polygons as shapely's geometries in longitude and latitude, WGS 84.

    Polygons across the antimeridian become multipolygons.

    Args:
        batch: Polygons in columns and rows.
        grid: Position of the pixels, with a reference system.
        name: The map, for messages.

    Raises:
        RasterError: A polygon has no place on Earth, or contains a pole.
    """
    import shapely

    crs = grid.crs or ""
    geographic = is_geographic(crs)
    if not geographic:
        batch = batch.add_vertices(VERTEX_SPACING)
    batch = batch.transform(grid.transform)
    longitudes, latitudes = batch.coordinates.T
    if not same_crs(crs, crs_wkt(WGS84)):
        moved = np.array(transform_coordinates(crs, WGS84, longitudes.tolist(), latitudes.tolist()))
        if geographic:
            with np.errstate(invalid="ignore"):  # of infinite ones
                moved[0] += 360 * np.round((longitudes - moved[0]) / 360)
        longitudes, latitudes = moved
    if not ((abs(longitudes) <= MAX_LONGITUDE).all() and (abs(latitudes) <= MAX_LATITUDE).all()):
        raise RasterError(f"{name}: a polygon lies beyond the Earth's edge; write the polygons as .gpkg or .parquet")
    if not geographic:
        longitudes = _unwrap(longitudes, batch, name)
    batch = replace(batch, coordinates=np.round(np.stack([longitudes, latitudes], axis=1), DIGITS))
    geometries = batch.geometries()
    west, _, east, _ = shapely.bounds(geometries).T
    for index in np.flatnonzero((west < -180) | (east > 180)):
        geometries[index] = _cut(geometries[index])
    return geometries


def _unwrap(longitudes: Floats, batch: PolygonBatch, name: str) -> Floats:
    """Return longitudes without jumps of 360 degrees inside of polygons."""
    turns = np.append(0, np.cumsum(np.rint(np.diff(longitudes) / 360)))
    starts = batch.ring_ends[:-1]
    lengths = np.diff(batch.ring_ends)
    inside = turns - np.repeat(turns[starts], lengths)
    if inside[batch.ring_ends[1:] - 1].any():
        raise RasterError(
            f"{name}: a polygon contains a pole, which GeoJSON cannot hold; write the polygons as .gpkg or .parquet"
        )
    unwrapped = longitudes - 360 * inside
    # Holes lie on the side of the antimeridian where their polygon's outline has them.
    west = np.minimum.reduceat(unwrapped, starts)
    west_of_outline = np.repeat(west[batch.polygon_ends[:-1]], np.diff(batch.polygon_ends))
    turns_to_outline = np.ceil((west_of_outline - west) / 360)
    continuous: Floats = unwrapped + 360 * np.repeat(turns_to_outline, lengths)
    return continuous


def _cut(polygon: Any) -> Any:
    """Return a polygon with longitudes beyond 180 degrees as parts inside."""
    import shapely

    west, _, east, _ = polygon.bounds
    parts: list[Any] = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        piece = shapely.intersection(polygon, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        piece = shapely.transform(piece, lambda points, turn=turn: points - [360 * turn, 0])
        parts += [part for part in shapely.get_parts(piece) if part.geom_type == "Polygon"]
    parts = [shapely.geometry.polygon.orient(part) for part in parts]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
