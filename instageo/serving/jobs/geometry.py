"""Areas and zones in requests: GeoJSON and boxes, checked number by number, and measured."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from instageo.errors import ConfigError

Box = tuple[float, float, float, float]
Ring = list[list[float]]

MAX_POINTS = 20_000
"""Most points of an area, and of all zones together."""

MAX_PARTS = 100
"""Most polygons of an area; each of them needs a tile at least."""

MAX_CELLS = 100
"""Most cells of one degree that an area touches, so that slivers around the globe do not pass for small areas."""

MAX_ZONES = 1000
"""Most zones."""

MAX_PROPERTIES, MAX_TEXT = 50, 200
"""Most properties of a zone, and characters of their names and values."""

SEMI_MAJOR_AXIS_KM, ECCENTRICITY = 6378.137, 0.0818191908426215
"""Ellipsoid of WGS 84."""

POLYGONS = ("Polygon", "MultiPolygon")


class TooLargeError(ConfigError):
    """An area or its zones are beyond a limit of the server."""


def read_box(values: Sequence[Any]) -> Box:
    """Return a box `[W, S, E, N]`; one whose west is greater than its east crosses longitude 180.

    Raises:
        ConfigError: It is not a box in degrees.
    """
    if len(values) != 4:
        raise ConfigError(f"area: has {len(values)} numbers; expected 4, west, south, east and north in degrees")
    west, south, east, north = (_number(value, "area") for value in values)
    if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise ConfigError(
            "area: lies beyond 180 degrees of longitude or 90 of latitude; expected west, south, east, north"
        )
    if not south < north or west == east:
        raise ConfigError("area: has no size; expected west, south, east and north with south below north")
    return west, south, east, north


def box_geometry(box: Box) -> dict[str, Any]:
    """Return a box as GeoJSON geometry; cut at longitude 180 if it crosses it."""
    west, south, east, north = box
    sides = [(west, east)] if west < east else [(west, 180.0), (-180.0, east)]
    parts = [[[[w, south], [e, south], [e, north], [w, north], [w, south]]] for w, e in sides if w < e]
    return {"type": "MultiPolygon", "coordinates": parts}


def read_area(geometry: Any) -> dict[str, Any]:
    """Return a polygon or polygons of GeoJSON with their coordinates alone.

    Raises:
        ConfigError: It is something else, or not valid.
        TooLargeError: It has too many points or parts.
    """
    cleaned = _read_geometry(geometry, "area")
    parts = [cleaned["coordinates"]] if cleaned["type"] == "Polygon" else cleaned["coordinates"]
    if len(parts) > MAX_PARTS:
        raise TooLargeError(f"area: has {len(parts)} polygons; the limit is {MAX_PARTS}")
    _limit_points(count_points(cleaned), "area")
    shape = shapely.geometry.shape(cleaned)
    if not shape.is_valid:
        raise ConfigError(f"area: is not valid ({shapely.is_valid_reason(shape)}); expected polygons that do not cross")
    return cleaned


def read_zones(collection: Any) -> dict[str, Any]:
    """Return a FeatureCollection of polygons with their coordinates and plain properties alone.

    Raises:
        ConfigError: It is something else.
        TooLargeError: There are too many zones or points.
    """
    features = collection.get("features") if isinstance(collection, Mapping) else None
    if not isinstance(features, list) or collection.get("type") != "FeatureCollection" or not features:
        raise ConfigError("zones: expected a GeoJSON FeatureCollection with at least one polygon")
    if len(features) > MAX_ZONES:
        raise TooLargeError(f"zones: has {len(features)} features; the limit is {MAX_ZONES}")
    zones: list[dict[str, Any]] = []
    for number, feature in enumerate(features, 1):
        if not isinstance(feature, Mapping):
            raise ConfigError(f"zones: number {number} is not a feature")
        geometry = _read_geometry(feature.get("geometry"), f"zones: number {number}")
        zones.append({"type": "Feature", "geometry": geometry, "properties": _plain(feature.get("properties"))})
    _limit_points(sum(count_points(zone["geometry"]) for zone in zones), "zones")
    return {"type": "FeatureCollection", "features": zones}


def measure_km2(geometry: Mapping[str, Any]) -> float:
    """Return the area of polygons on the ellipsoid, km²; edges are straight in the cylindrical equal-area projection.

    Examples:
        >>> round(measure_km2(box_geometry((0, 0, 1, 1))), 1)
        12308.8
    """
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return sum(_ring_km2(part[0]) - sum(map(_ring_km2, part[1:])) for part in parts)


def count_cells(geometry: Mapping[str, Any]) -> int:
    """Return how many cells of one degree polygons touch."""
    shape: BaseGeometry = shapely.geometry.shape(geometry)
    west, south, east, north = shape.bounds
    columns = range(math.floor(west), max(math.ceil(east), math.floor(west) + 1))
    rows = range(math.floor(south), max(math.ceil(north), math.floor(south) + 1))
    shapely.prepare(shape)
    cells = shapely.box(*zip(*((x, y, x + 1, y + 1) for x in columns for y in rows), strict=True))
    return int(shapely.intersects(shape, cells).sum())


def bounds_of(geometry: Mapping[str, Any]) -> Box:
    """Return west, south, east and north of polygons."""
    west, south, east, north = shapely.geometry.shape(geometry).bounds
    return west, south, east, north


def count_points(geometry: Mapping[str, Any]) -> int:
    """Return how many points polygons have."""
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    return sum(len(ring) for part in parts for ring in part)


def _limit_points(count: int, name: str) -> None:
    if count > MAX_POINTS:
        raise TooLargeError(f"{name}: has {count} points; the limit is {MAX_POINTS}, so simplify the polygons")


def _read_geometry(geometry: Any, name: str) -> dict[str, Any]:
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, Mapping) else None
    if kind not in POLYGONS or not isinstance(coordinates, list) or not coordinates:
        raise ConfigError(f"{name}: expected a GeoJSON geometry of type Polygon or MultiPolygon, in degrees")
    if kind == "Polygon":
        return {"type": kind, "coordinates": _read_part(coordinates, name)}
    return {"type": kind, "coordinates": [_read_part(part, name) for part in coordinates]}


def _read_part(part: Any, name: str) -> list[Ring]:
    if not isinstance(part, list) or not part:
        raise ConfigError(f"{name}: has a polygon without rings")
    return [_read_ring(ring, name) for ring in part]


def _read_ring(ring: Any, name: str) -> Ring:
    if not isinstance(ring, list) or len(ring) < 4:
        raise ConfigError(f"{name}: has a ring of fewer than 4 points")
    points = []
    for point in ring:
        if not isinstance(point, list) or not 2 <= len(point) <= 3:
            raise ConfigError(f"{name}: has a point that is not [longitude, latitude]")
        lon, lat = (_number(value, name) for value in point[:2])
        if abs(lon) > 180 or abs(lat) > 90:
            raise ConfigError(f"{name}: has a point beyond 180 degrees of longitude or 90 of latitude")
        points.append([lon, lat])
    if points[0] != points[-1]:
        raise ConfigError(f"{name}: has a ring whose last point is not its first")
    return points


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1000:  # NaN included
        raise ConfigError(f"{name}: has a coordinate that is not a number of degrees")
    return float(value)


def _plain(properties: Any) -> dict[str, Any]:
    """Return the properties that are texts and numbers, without control characters, within limits."""
    if not isinstance(properties, Mapping):
        return {}
    plain = {
        _text(key): _text(value) if isinstance(value, str) else value
        for key, value in properties.items()
        if isinstance(value, str | bool) or (isinstance(value, int | float) and math.isfinite(value))
    }
    return dict(list(plain.items())[:MAX_PROPERTIES])


def _text(value: str) -> str:
    return "".join(character for character in value if character.isprintable())[:MAX_TEXT]


def _ring_km2(ring: Iterable[Sequence[float]]) -> float:
    points = [(math.radians(lon), _zone_height(math.radians(lat))) for lon, lat in ring]
    doubled = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(points))
    return abs(doubled) / 2 * SEMI_MAJOR_AXIS_KM**2 * (1 - ECCENTRICITY**2)


def _zone_height(latitude: float) -> float:
    """Return the height of a latitude in the cylindrical equal-area projection of the ellipsoid (Snyder 1987, 3-12)."""
    sine, eccentric = math.sin(latitude), ECCENTRICITY * math.sin(latitude)
    return (sine / (1 - eccentric**2) + math.atanh(eccentric) / ECCENTRICITY) / 2
