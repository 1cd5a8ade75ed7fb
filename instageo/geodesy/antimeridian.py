"""Outlines in longitude and latitude, cut at the antimeridian as GeoJSON wants them (RFC 7946)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
"""Longitude and latitude, degrees."""

DIGITS = 7
"""Decimal places of degrees, about a centimetre."""


@dataclass(frozen=True)
class Outline:
    """A region on Earth.

    Attributes:
        parts: Closed rings, counterclockwise, within longitudes of -180 to 180 degrees.
        bbox: West, south, east and north; west is larger than east if the region crosses the antimeridian.
    """

    parts: list[list[Point]]
    bbox: tuple[float, float, float, float]

    @property
    def geometry(self) -> dict[str, object]:
        """The region as GeoJSON."""
        if len(self.parts) == 1:
            return {"type": "Polygon", "coordinates": [self.parts[0]]}
        return {"type": "MultiPolygon", "coordinates": [[part] for part in self.parts]}


def cut_outline(points: Sequence[Point]) -> Outline:
    """Return the region inside a closed line, for regions without dents, such as footprints of rasters.

    Args:
        points: The line, of which the last point is followed by the first. Neighbours are less than 180 degrees of
            longitude apart. A line around a pole contains the pole.
    """
    line = [points[0]]
    for longitude, latitude in [*points[1:], points[0]]:
        turns = round((line[-1][0] - longitude) / 360)
        line.append((longitude + 360 * turns, latitude))
    is_polar = abs(line[-1][0] - line[0][0]) > 180
    if is_polar:
        pole = math.copysign(90, sum(latitude for _, latitude in line))
        line += [(line[-1][0], pole), (line[0][0], pole)]
    west, east = min(longitude for longitude, _ in line), max(longitude for longitude, _ in line)
    parts = []
    for turn in range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360)):
        inside = _clip(_clip(line, 360 * turn - 180, 1), 360 * turn + 180, -1)
        ring = [(round(longitude - 360 * turn, DIGITS), round(latitude, DIGITS)) for longitude, latitude in inside]
        if ring:
            parts.append(_counterclockwise(ring))
    south, north = min(latitude for _, latitude in line), max(latitude for _, latitude in line)
    longitudes = [longitude for part in parts for longitude, _ in part]
    if is_polar or east - west >= 360:
        west, east = -180.0, 180.0
    elif len(parts) == 1:
        west, east = min(longitudes), max(longitudes)
    else:
        west, east = ((longitude + 180) % 360 - 180 for longitude in (west, east))
    west, south, east, north = (round(number, DIGITS) for number in (west, south, east, north))
    return Outline(parts, (west, south, east, north))


def _clip(line: Sequence[Point], longitude: float, side: int) -> list[Point]:
    """Return the part of a region on one side of a meridian (Sutherland and Hodgman 1974); 1 is east of it."""
    result: list[Point] = []
    for (x0, y0), (x1, y1) in zip(line, [*line[1:], *line[:1]], strict=True):
        if (x0 - longitude) * side >= 0:
            result.append((x0, y0))
        if (x0 - longitude) * (x1 - longitude) < 0:
            result.append((longitude, y0 + (y1 - y0) * (longitude - x0) / (x1 - x0)))
    return result


def _counterclockwise(ring: list[Point]) -> list[Point]:
    """Return a ring closed, without repeated points, and counterclockwise."""
    ring = [point for point, before in zip(ring, [*ring[-1:], *ring[:-1]], strict=True) if point != before]
    ring.append(ring[0])
    area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring))
    return ring if area > 0 else ring[::-1]
