"""The area of a user: a file of polygons, a box, or a tile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError, InstaGeoError
from instageo.geodesy.mgrs import find_tile, is_tile_name
from instageo.raster.area_products.zones import read_zones
from instageo.raster.warp import WGS84, transform_coordinates

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

STEP_DEGREES = 0.002
"""Longest part of an edge before it is moved to another reference system: its middle moves less than a millimetre."""

MAX_DEGREES = 60.0
"""Most degrees from west to east, and from south to north; beyond, the plane of one tile no longer holds the area."""

SEARCH_DEGREES = 0.1
"""Distance of the places inside the area for which images are searched: some images show a narrow strip of a tile."""


@dataclass(frozen=True)
class Area:
    """A place on Earth.

    Attributes:
        name: For titles: the name of the file or tile, or the box.
        geometry: Polygon or multipolygon, degrees; longitudes are continuous, so they may exceed 180.
        tile: Name of the tile that it is; None for polygons and boxes.

    Raises:
        DataError: It spans too many degrees.
    """

    name: str
    geometry: "BaseGeometry"
    tile: str | None = None

    def __post_init__(self) -> None:
        west, south, east, north = self.geometry.bounds
        if max(east - west, north - south) > MAX_DEGREES:
            raise DataError(
                f"area={self.name}: spans {east - west:.4g} x {north - south:.4g} degrees; expected at most "
                f"{MAX_DEGREES:g} each way; map parts of it one by one, or check the order west, south, east, north"
            )

    def geojson(self) -> Mapping[str, Any]:
        """Return the geometry as GeoJSON."""
        from shapely.geometry import mapping

        result: Mapping[str, Any] = mapping(self.geometry)
        return result

    def in_crs(self, crs: str) -> "BaseGeometry":
        """Return the geometry in a projected reference system (WKT); edges are straight in degrees."""
        return _transform(self.geometry.segmentize(STEP_DEGREES), WGS84, crs)

    def search_places(self, first: date, last: date) -> list[tuple[float, float, date, date]]:
        """Return places, longitude and latitude, that stand for the area in a search, each with the days."""
        import shapely

        west, south, east, north = self.geometry.bounds
        edges = shapely.get_coordinates(self.geometry.segmentize(SEARCH_DEGREES))
        inner = [
            (lon, lat)
            for lon in np.arange(west, east, SEARCH_DEGREES)
            for lat in np.arange(south, north, SEARCH_DEGREES)
            if shapely.intersects_xy(self.geometry, lon, lat)
        ]
        return [(float(lon), float(lat), first, last) for lon, lat in (*edges, *inner)]


def read_area(text: str) -> Area:
    """Return the area of a file of polygons, a box `W,S,E,N`, or the name of a tile.

    Raises:
        DataError: The text names no area, or one beyond the Earth.
    """
    text = text.strip()
    if text.count(",") == 3 and not Path(text).exists():
        return _box(text)
    if is_tile_name(text) and not Path(text).exists():
        tile = find_tile(text)
        from shapely.geometry import box

        geometry = _transform(box(*tile.bounds).segmentize(2000.0), tile.crs, WGS84)
        return Area(f"tile {tile.name}", geometry, tile.name)
    if not text or not Path(text).exists():
        raise DataError(
            f"area={text}: no such file; expected a file of polygons (.geojson, .gpkg, .shp), a box W,S,E,N in degrees "
            "such as 34.5,-20.1,35.2,-19.4, or a tile such as 36KXD"
        )
    return Area(Path(text).name, read_polygons(Path(text)))


def read_polygons(path: Path) -> "BaseGeometry":
    """Return all polygons of a file as one geometry, degrees.

    Raises:
        TableError: The file is missing, damaged or empty, or a geometry is not a polygon.
    """
    from shapely import union_all

    return _continuous(union_all([zone.geometry for zone in read_zones(path)]))


def _box(text: str) -> Area:
    from shapely.geometry import box

    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise DataError(
            f"area={text}: is not a box; expected W,S,E,N in degrees, such as 34.5,-20.1,35.2,-19.4"
        ) from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
        raise DataError(
            f"area={text}: is not a box on Earth; expected west, south, east and north in degrees, with south below "
            "north"
        )
    return Area(text.replace(" ", ""), box(west, south, east + 360 * (east < west), north))


def _transform(geometry: "BaseGeometry", source: str, target: str) -> "BaseGeometry":
    import shapely

    def move(points: NDArray[np.float64]) -> NDArray[np.float64]:
        xs, ys = transform_coordinates(source, target, points[:, 0].tolist(), points[:, 1].tolist())
        if target == WGS84 and max(xs) - min(xs) > 180:  # across longitude 180
            xs = [x + 360 * (x < 0) for x in xs]
        return np.stack([xs, ys], axis=1)

    try:
        moved = shapely.transform(geometry, move)
    except InstaGeoError as error:
        raise DataError(f"the area cannot be brought to another reference system ({error})") from error
    result: BaseGeometry = moved if moved.is_valid else shapely.make_valid(moved)
    return result


def _continuous(geometry: "BaseGeometry") -> "BaseGeometry":
    """Return a geometry that crosses longitude 180 with longitudes of 0 to 360."""
    import shapely

    west, _, east, _ = geometry.bounds
    if east - west <= 180:
        return geometry

    def move_east(points: NDArray[np.float64]) -> NDArray[np.float64]:
        points[:, 0] += 360.0 * (points[:, 0] < 0)
        return points

    result: BaseGeometry = shapely.union_all(shapely.make_valid(shapely.transform(geometry, move_east)))
    return result
