"""Tiles of Sentinel-2 and HLS by their names in the Military Grid Reference System, such as 36KXD.

Source: NGA.STND.0037, Universal Grids and Grid Reference Systems (letters of zones, bands and squares); the extents of
tiles are those of the Sentinel-2 tiling grid: squares of 100 km, enlarged to 109.8 km to the east and south, whose
corners are multiples of 60 m.
"""

import math
import re
from dataclasses import dataclass

from instageo.errors import DataError

TILE_M = 109_800.0
"""Side of a tile, metres."""

BANDS = "CDEFGHJKLMNPQRSTUVWX"
"""Letters of the bands of 8 degrees of latitude from 80 degrees south."""

COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
"""Letters of the columns of squares of zones 1, 2 and 3, which repeat."""

ROWS = "ABCDEFGHJKLMNPQRSTUV"
"""Letters of the rows of squares, which repeat every 2,000 km; even zones begin with F at the equator."""

SQUARE_M, CYCLE_M, FALSE_NORTHING_M, CORNER_M = 100_000, 2_000_000, 10_000_000, 60

BEND_M = 20_000
"""By how much a parallel lies farther from the equator, in y, at the edge of a zone than in its middle, at most."""

NO_ZONES_IN_X = (32, 34, 36)
"""Zones that end at 72 degrees north; at Svalbard their neighbours are wider."""

_NAME = re.compile(r"T?(\d{1,2})([A-Z])([A-Z])([A-Z])")


@dataclass(frozen=True)
class MgrsTile:
    """Extent of a tile.

    Attributes:
        name: Such as 36KXD.
        crs: Its UTM zone, `EPSG:32736`.
        west: x of its left edge, metres.
        north: y of its upper edge, metres.
    """

    name: str
    crs: str
    west: float
    north: float

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north, metres."""
        return self.west, self.north - TILE_M, self.west + TILE_M, self.north


def is_tile_name(text: str) -> bool:
    """Return whether a text looks like the name of a tile, with or without a leading T."""
    return _NAME.fullmatch(text.strip().upper()) is not None


def find_tile(text: str) -> MgrsTile:
    """Return the tile with a name such as 36KXD or T36KXD.

    Raises:
        DataError: No tile has this name.
    """
    match = _NAME.fullmatch(text.strip().upper())
    zone = int(match[1]) if match else 0
    if match is None or not 1 <= zone <= 60 or match[2] not in BANDS or match[4] not in ROWS:
        raise DataError(f"tile {text} does not exist; expected a name such as 36KXD: zone, band and two letters")
    _, band, column, row = match.groups()
    if band == "X" and zone in NO_ZONES_IN_X:
        raise DataError(f"tile {text} does not exist: zone {zone} has no band X; its neighbours are wider there")
    letters = COLUMNS[(zone - 1) % 3]
    if column not in letters:
        raise DataError(f"tile {text} does not exist: zone {zone} has the columns {letters[0]} to {letters[-1]}")
    easting = (letters.index(column) + 1) * SQUARE_M
    latitude = -80 + 8 * BANDS.index(band)
    origin = FALSE_NORTHING_M if latitude < 0 else 0
    south, end = (_northing(each) + origin for each in (latitude, latitude + (12 if band == "X" else 8)))
    lowest = south - SQUARE_M - (BEND_M if latitude < 0 else 0)
    northing = (ROWS.index(row) - (0 if zone % 2 else 5)) % len(ROWS) * SQUARE_M
    northing += math.ceil((lowest - northing) / CYCLE_M) * CYCLE_M
    if northing > end + (BEND_M if latitude >= 0 else 0):
        raise DataError(f"tile {text} does not exist: band {band} of zone {zone} has no row {row}")
    west, north = easting // CORNER_M * CORNER_M, -(-(northing + SQUARE_M) // CORNER_M) * CORNER_M
    code = f"EPSG:{32600 + zone if latitude >= 0 else 32700 + zone}"
    return MgrsTile(f"{zone:02}{band}{column}{row}", code, float(west), float(north))


def _northing(latitude: float) -> float:
    """Return the distance of a parallel from the equator in UTM at the zone's middle, metres, negative in the south.

    Source: Snyder, Map Projections: A Working Manual, USGS 1987, equation 3-21, to the second power of e², for WGS 84.
    """
    angle, square = math.radians(latitude), 0.00669438
    arc = (1 - square / 4 - 3 * square**2 / 64) * angle
    arc -= (3 * square / 8 + 3 * square**2 / 32) * math.sin(2 * angle)
    arc += 15 * square**2 / 256 * math.sin(4 * angle)
    return 0.9996 * 6_378_137.0 * arc
