"""Acquisition dates and location of a chip, as the `_tl` variants take them in training, scoring and inference."""

import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.raster.grid import Grid
from instageo.table import Row, parse_dates
from instageo.wording import counted

COORDINATE_CONVENTION = (
    "temporal_coords (T, 2) = [year, day of year 1..366]; location_coords (2,) = [latitude, longitude]"
)
"""Written into checkpoints."""

DATE_TAGS = (
    "DATES", "DATE", "ACQUISITION_DATE", "ACQUISITIONDATETIME", "SENSING_TIME", "DATETIME", "TIFFTAG_DATETIME",
)  # fmt: skip
"""Tags that may hold the dates of a file; the first one with the right number of dates is used."""

Coordinates = tuple[NDArray[np.float32], NDArray[np.float32]]
"""`temporal_coords` (T, 2) and `location_coords` (2,); all NaN where unknown."""


def find_chip_coordinates(
    dates: Sequence[date],
    lat_lon: tuple[float, float] | None,
    grid: Grid | None,
    tags: Mapping[str, str],
    num_dates: int,
) -> Coordinates:
    """Find dates and location of a chip: those given, else those of its file.

    Args:
        dates: One for each date of the chip, or none.
        lat_lon: Latitude and longitude, degrees.
        grid: Grid of the file; its centre is the location if `lat_lon` is None.
        tags: Tags of the file, by upper-case name; see `DATE_TAGS`.
        num_dates: Number of dates of the chip, T.

    Raises:
        DataError: Another number of dates than T is given.
    """
    if dates and len(dates) != num_dates:
        raise DataError(
            f"{counted(len(dates), 'date', 'are')} given ({', '.join(map(str, dates))}) for chips of {num_dates}; "
            "give one per date of the chip, or none"
        )
    days = list(dates) or _dates_from_tags(tags, num_dates)
    temporal = [(float(day.year), float(day.timetuple().tm_yday)) for day in days] or [(math.nan, math.nan)] * num_dates
    location = lat_lon or (grid.center_lat_lon() if grid else None) or (math.nan, math.nan)
    return np.array(temporal, dtype=np.float32), np.array(location, dtype=np.float32)


def find_row_coordinates(row: Row, grid: Grid, tags: Mapping[str, str], num_dates: int) -> Coordinates:
    """Find dates and location of a table's row; the table takes precedence over the file.

    Raises:
        DataError: The table gives another number of dates than the chip has.
    """
    try:
        return find_chip_coordinates(row.dates, row.lat_lon, grid, tags, num_dates)
    except DataError as error:
        raise DataError(f"{row.name}: {error}") from error


def _dates_from_tags(tags: Mapping[str, str], num_dates: int) -> list[date]:
    for name in DATE_TAGS:
        days = _parse_tag(tags.get(name, ""))
        if len(days) == num_dates:
            return days
        if num_dates == 1 and len(set(days)) == 1:  # several scenes of one day, as in HLS files merged from two
            return days[:1]
    return []


def _parse_tag(text: str) -> list[date]:
    """Parse the dates of a tag; return an empty list if its notation is unknown."""
    for variant in (text, text.replace(",", ";"), text.replace(":", "-", 2)):
        try:
            return list(parse_dates(variant))
        except ValueError:
            continue
    return []
