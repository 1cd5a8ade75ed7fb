"""Few searches for many places: places are gathered in boxes of at most 2 degrees."""

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

BOX_DEGREES = 2.0
"""Largest side of a box, without its margin."""

MARGIN_DEGREES = 0.01
"""Added around the places of a box, so that an image whose edge touches a place is found."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, order=True)
class SearchQuery:
    """What is asked of a catalogue at once.

    Attributes:
        box: West, south, east, north, degrees; west is less than east.
        first: First day, UTC.
        last: Last day, UTC; it belongs to the period.
    """

    box: Box
    first: date
    last: date

    @property
    def datetime(self) -> str:
        """Period as STAC writes it: from the first moment of the first day until the end of the last one."""
        return f"{self.first}T00:00:00Z/{self.end.date()}T00:00:00Z"

    @property
    def start(self) -> dt.datetime:
        """First moment of the period."""
        return dt.datetime.combine(self.first, dt.time(), dt.UTC)

    @property
    def end(self) -> dt.datetime:
        """First moment after the period."""
        last = min(self.last, date.max - timedelta(days=1))  # the calendar's last day has none after it
        return dt.datetime.combine(last + timedelta(days=1), dt.time(), dt.UTC)


def search_boxes(points: Iterable[tuple[float, float, date, date]]) -> list[SearchQuery]:
    """Return few queries that cover all places with their periods.

    Places are gathered in cells of 2 degrees, and neighbouring cells are joined while their box stays that small, so
    that 100 places of one tile need one query. A box has a small margin around its places and never crosses longitude
    180: what the margin reaches beyond is a box of its own.

    Args:
        points: Longitude and latitude, degrees, and first and last day, UTC, of each place.
    """
    cells: dict[tuple[int, int], _Group] = {}
    for lon, lat, first, last in points:
        west = (lon + 180.0) % 360.0 - 180.0
        point = _Group((west, lat, west, lat), first, last)
        key = math.floor(west / BOX_DEGREES), math.floor(lat / BOX_DEGREES)
        cells[key] = cells[key].joined(point) if key in cells else point
    groups: list[_Group] = []
    owner: dict[tuple[int, int], int] = {}
    for (column, row), group in sorted(cells.items()):
        neighbours = ((column, row - 1), (column - 1, row), (column - 1, row - 1), (column - 1, row + 1))
        for number in sorted({owner[key] for key in neighbours if key in owner}):
            both = groups[number].joined(group)
            if both.is_small:
                groups[number] = both
                break
        else:
            number = len(groups)
            groups.append(group)
        owner[column, row] = number
    return sorted({query for group in groups for query in group.queries()})


@dataclass(frozen=True)
class _Group:
    """Places of one search: their box, and first and last day."""

    box: Box
    first: date
    last: date

    def joined(self, other: "_Group") -> "_Group":
        west, south, east, north = (
            *(min(pair) for pair in zip(self.box[:2], other.box[:2], strict=True)),
            *(max(pair) for pair in zip(self.box[2:], other.box[2:], strict=True)),
        )
        return _Group((west, south, east, north), min(self.first, other.first), max(self.last, other.last))

    @property
    def is_small(self) -> bool:
        west, south, east, north = self.box
        return east - west <= BOX_DEGREES and north - south <= BOX_DEGREES

    def queries(self) -> Iterable[SearchQuery]:
        west, south, east, north = self.box
        south, north = max(south - MARGIN_DEGREES, -90.0), min(north + MARGIN_DEGREES, 90.0)
        for left, right in _split(west - MARGIN_DEGREES, east + MARGIN_DEGREES):
            yield SearchQuery(
                (round(left, 6), round(south, 6), round(right, 6), round(north, 6)), self.first, self.last
            )


def _split(west: float, east: float) -> list[tuple[float, float]]:
    """Return the parts of a range of longitudes on both sides of 180."""
    if west < -180.0:
        return [(west + 360.0, 180.0), (-180.0, east)]
    if east > 180.0:
        return [(west, 180.0), (-180.0, east - 360.0)]
    return [(west, east)]


def touches(bounds: Box, box: Box) -> bool:
    """Return whether the bounds of an item, which may cross longitude 180, touch the box of a query."""
    west, south, east, north = bounds
    if south > box[3] or north < box[1]:
        return False
    parts = [(west, 180.0), (-180.0, east)] if west > east else _split(west, east)
    return any(left <= box[2] and right >= box[0] for left, right in parts)
