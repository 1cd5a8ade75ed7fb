"""Polygons of an area in longitude and latitude, in one piece also where they cross the antimeridian."""

from collections.abc import Mapping
from typing import Any

import shapely
from shapely.affinity import translate
from shapely.geometry import mapping, shape

from instageo.raster.warp import Bounds

Point = tuple[float, float]


def unwrap(geometry: Mapping[str, Any], center: float | None = None) -> Any:
    """Return a geometry as a shape without a jump from 180 to -180 degrees of longitude, repaired if its lines cross.

    Args:
        geometry: GeoJSON geometry; its parts may lie at both sides of the antimeridian, as RFC 7946 has it.
        center: Longitude near which it is to lie, for zones; None to let longitudes above 180 be those of its western
            parts only.
    """
    polygons = shapely.make_valid(shape(geometry))
    parts = list(shapely.get_parts(polygons))
    if center is None:
        crosses = bool(parts) and polygons.bounds[2] - polygons.bounds[0] > 180
        center = 180.0 if crosses and all(abs(_middle(part)) > 90 for part in parts) else None
    if center is None:
        return polygons
    moved = [translate(part, 360 * round((center - _middle(part)) / 360)) for part in parts]
    return moved[0] if len(moved) == 1 else shapely.union_all(moved)


def outline_bounds(geometry: Mapping[str, Any]) -> Bounds:
    """Return west, south, east and north of a geometry, degrees; east may exceed 180."""
    west, south, east, north = unwrap(geometry).bounds
    return float(west), float(south), float(east), float(north)


def rings_of(polygons: Any, tolerance: float) -> list[list[Point]]:
    """Return the outer and inner rings of polygons with fewer points.

    Args:
        polygons: A shape; its points and lines are left out.
        tolerance: Degrees by which simplified rings may differ from those of the shape.
    """
    simple = shapely.simplify(polygons, tolerance)
    surfaces = [part for part in _flatten(simple) if part.geom_type == "Polygon" and not part.is_empty]
    lines = [ring for part in surfaces for ring in (part.exterior, *part.interiors)]
    return [[(float(x), float(y)) for x, y, *_ in line.coords] for line in lines]


def polygons_of(polygons: Any) -> list[Mapping[str, Any]]:
    """Return the polygons of a shape as GeoJSON geometries."""
    surfaces = [part for part in _flatten(polygons) if part.geom_type == "Polygon" and not part.is_empty]
    return [mapping(part) for part in surfaces]


def label_point(polygons: Any) -> Point:
    """Return a point within polygons at which a name may be written."""
    point = shapely.point_on_surface(polygons)
    return float(point.x), float(point.y)


def _flatten(polygons: Any) -> list[Any]:
    """Return the points, lines and polygons of a shape, out of collections within collections."""
    if not hasattr(polygons, "geoms"):
        return [polygons]
    return [part for parts in polygons.geoms for part in _flatten(parts)]


def _middle(part: Any) -> float:
    return float(part.bounds[0] + part.bounds[2]) / 2
