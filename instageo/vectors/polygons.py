"""Polygons in longitude and latitude: repaired, cut at the antimeridian, and their area on the ellipsoid.

Edges are straight lines in longitude and latitude, as GeoJSON defines them (RFC 7946).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, RasterError
from instageo.extras import required_by
from instageo.raster.pixel_area import HECTARES_PER_KM2, zone_area_km2
from instageo.raster.warp import WGS84, crs_wkt, is_geographic, linear_unit_m, same_crs, transform_coordinates

MAX_EDGE_M = 1000.0
"""Longest edge of polygons of projected reference systems, whose straight lines are curves in longitude and latitude:
the error stays below 0.1 m up to 75 degrees of latitude."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
"""Quadrature along an edge, on -1 to 1."""


def clean_polygon(geometry: Any) -> Any:
    """Return a polygon or multipolygon in longitude and latitude, valid and within -180 to 180 degrees.

    An edge that jumps by more than 180 degrees of longitude crosses the antimeridian. Polygons that cross it are cut;
    longitudes beyond 180 degrees are allowed. Self-crossing rings are repaired. Heights are dropped.

    Raises:
        DataError: It is not a polygon, is empty or has no area, its coordinates are not degrees, or it contains a pole
            around which its ring runs.
    """
    with required_by("polygons", "data"):
        import shapely
    kind = getattr(geometry, "geom_type", "None")
    if kind not in ("Polygon", "MultiPolygon"):
        found = "has no geometry" if geometry is None else f"is a {kind}"
        raise DataError(f"{found}; expected a Polygon or MultiPolygon")
    if geometry.is_empty:
        raise DataError("is empty; expected a Polygon or MultiPolygon")
    geometry = shapely.force_2d(geometry)
    west, south, east, north = geometry.bounds
    if not all(map(math.isfinite, geometry.bounds)) or min(south, -north) < -90 or min(west, -east) < -540:
        raise DataError(
            f"has coordinates from ({west:g}, {south:g}) to ({east:g}, {north:g}); expected degrees of longitude and "
            "latitude: add the coordinate reference system to the file"
        )
    parts = [_unwrap(part) for part in shapely.get_parts(geometry)]
    whole = _polygonal(shapely.make_valid(shapely.MultiPolygon(parts), method="structure"))
    if whole.is_empty or whole.area == 0:
        raise DataError("has no area; expected a Polygon or MultiPolygon with at least three corners")
    return _cut(whole)


def move_to_lonlat(geometry: Any, crs: str) -> Any:
    """Return a polygon of another reference system in longitude and latitude; pass it to `clean_polygon`.

    Raises:
        DataError: It has no place on Earth, or the reference system is unknown.
    """
    import shapely

    if geometry is None or geometry.is_empty:
        return geometry
    try:
        if same_crs(crs_wkt(crs), crs_wkt(WGS84)):
            return geometry
    except RasterError as error:
        raise DataError(str(error)) from error

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(transform_coordinates(crs, WGS84, points[:, 0].tolist(), points[:, 1].tolist()), axis=1)

    try:
        moved = shapely.transform(geometry, move)
        if not is_geographic(crs) and np.isfinite(shapely.get_coordinates(moved)).all():
            moved = shapely.transform(shapely.segmentize(geometry, MAX_EDGE_M / linear_unit_m(crs)), move)
    except RasterError as error:
        raise DataError(f"has no place on Earth ({error}); check its coordinate reference system") from error
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise DataError("has no place on Earth; check its coordinate reference system")
    return moved


def polygon_hectares(geometry: Any) -> float:
    """Return the area of the polygons of a geometry in longitude and latitude on the ellipsoid WGS 84, hectares.

    The area below an edge is integrated along it, so no edge needs to be divided.
    """
    import shapely

    total = 0.0
    for part in shapely.get_parts(_polygonal(geometry)):
        rings = [_ring_km2(np.asarray(ring.coords)) for ring in (part.exterior, *part.interiors)]
        total += rings[0] - sum(rings[1:])
    return total * HECTARES_PER_KM2


def _ring_km2(points: NDArray[np.float64]) -> float:
    longitudes, latitudes = np.radians(points[:, :2]).T
    middles, halves = (latitudes[1:] + latitudes[:-1]) / 2, np.diff(latitudes) / 2
    below = zone_area_km2(middles[:, None] + halves[:, None] * NODES) @ WEIGHTS / 2
    return abs(float(below @ np.diff(longitudes))) / (2 * math.pi)


def _unwrap(polygon: Any) -> Any:
    """Return a polygon whose longitudes do not jump; its holes lie where its outline has them."""
    import shapely

    rings = [_unwrap_ring(np.asarray(ring.coords)) for ring in (polygon.exterior, *polygon.interiors)]
    middle = (rings[0][:, 0].min() + rings[0][:, 0].max()) / 2
    holes = []
    for ring in rings[1:]:
        turns = np.round((middle - (ring[:, 0].min() + ring[:, 0].max()) / 2) / 360)
        holes.append(np.stack([ring[:, 0] + 360 * turns, ring[:, 1]], axis=1))
    return shapely.Polygon(rings[0], holes)


def _unwrap_ring(points: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.diff(points[:, 0])
    jumps = np.where(abs(abs(steps) - 360) < 1e-9, 0, np.rint(steps / 360))  # edges along 180 degrees stay
    if not jumps.any():
        return points
    turns = np.append(0, np.cumsum(jumps))
    if turns[-1]:
        raise DataError("runs around a pole; cut it at 180 degrees of longitude")
    return np.stack([points[:, 0] - 360 * turns, points[:, 1]], axis=1)


def _polygonal(geometry: Any) -> Any:
    """Return the polygons of a geometry without its lines and points."""
    import shapely

    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.MultiPolygon([each for part in parts for each in shapely.get_parts(part)])


def _cut(geometry: Any) -> Any:
    """Return polygons with their parts beyond 180 degrees moved inside."""
    import shapely

    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180:
        return geometry
    pieces = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        piece = shapely.intersection(geometry, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        pieces.append(shapely.transform(piece, lambda points, turn=turn: points - [360 * turn, 0]))
    return _polygonal(shapely.union_all([_polygonal(piece) for piece in pieces]))
