"""When and where a chip was seen, as the `_tl` variants take it: one function for training, scoring and inference."""

import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.raster.grid import Grid
from instageo.table import Row, parse_dates

COORDINATE_CONVENTION = (
    "temporal_coords (T, 2) = [year, day of year 1..366]; location_coords (2,) = [latitude, longitude]"
)
"""Written into checkpoints."""

DATE_TAGS = (
    "DATES", "DATE", "ACQUISITION_DATE", "ACQUISITIONDATETIME", "SENSING_TIME", "DATETIME", "TIFFTAG_DATETIME",
)  # fmt: skip
"""Tags of a file that are read for its dates, the first that fits."""

Coordinates = tuple[NDArray[np.float32], NDArray[np.float32]]
"""`temporal_coords` (T, 2) and `location_coords` (2,); all NaN where unknown."""


def chip_coordinates(
    dates: Sequence[date], place: tuple[float, float] | None, grid: Grid | None, tags: Mapping[str, str], steps: int
) -> Coordinates:
    """Time and place of a chip: what is told of it, else what its file says.

    Args:
        dates: One per date of the chip, or none.
        place: Latitude and longitude, degrees.
        grid: The file's; its middle is the place where none is told.
        tags: The file's, by upper-case name; the first of `DATE_TAGS` that holds one date per date of the chip counts.
        steps: Dates of the chip, T.

    Raises:
        DataError: The number of dates told is not T.
    """
    if dates and len(dates) != steps:
        raise DataError(
            f"{len(dates)} dates are given ({', '.join(map(str, dates))}) for chips of {steps}; "
            "give one per date of the chip, or none"
        )
    known = list(dates) or _dates_of(tags, steps)
    time = [(float(day.year), float(day.timetuple().tm_yday)) for day in known] or [(math.nan, math.nan)] * steps
    where = place or (grid.centre() if grid else None) or (math.nan, math.nan)
    return np.array(time, dtype=np.float32), np.array(where, dtype=np.float32)


def row_coordinates(row: Row, grid: Grid, tags: Mapping[str, str], steps: int) -> Coordinates:
    """Time and place of a table's row; the table goes before the file.

    Raises:
        DataError: The number of dates in the table is not that of the chip.
    """
    try:
        return chip_coordinates(row.dates, row.place, grid, tags, steps)
    except DataError as error:
        raise DataError(f"{row.name}: {error}") from error


def _dates_of(tags: Mapping[str, str], steps: int) -> list[date]:
    for name in DATE_TAGS:
        days = _parsed(tags.get(name, ""))
        if len(days) == steps:
            return days
        if steps == 1 and len(set(days)) == 1:  # scenes of one day, as in HLS files made from two
            return days[:1]
    return []


def _parsed(text: str) -> list[date]:
    """Days of a tag; none if it is written in a way that is not understood."""
    for form in (text, text.replace(",", ";"), text.replace(":", "-", 2)):
        try:
            return list(parse_dates(form))
        except ValueError:
            continue
    return []
