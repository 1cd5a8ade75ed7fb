"""Where chips lie: footprints of their files, or the columns `lat` and `lon`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_tables.chip_table import ChipTable
from instageo.errors import DataError, RasterError, TableError
from instageo.geodesy.circles import Circles
from instageo.raster.footprints import Footprint, find_footprint
from instageo.raster.reading import read_info
from instageo.runtime.parallel import map_threads
from instageo.runtime.progress import track
from instageo.table import LATITUDE, LONGITUDE
from instageo.wording import counted


@dataclass(frozen=True)
class Places:
    """Circles around the chips of a table.

    Attributes:
        circles: One for each row; at longitude and latitude 0 for rows without a location.
        located: Which rows have a location, shape (N,).
        notes: Remarks for the user.
        absent: Why rows have no location, and what to do.
    """

    circles: Circles
    located: NDArray[np.bool_]
    notes: tuple[str, ...] = ()
    absent: str = ""

    def require(self, feature: str) -> None:
        """Raise unless any chip has a location.

        Raises:
            DataError: None has.
        """
        if not self.located.any():
            raise DataError(f"{feature} needs to know where chips lie, but {self.absent}")


def find_places(table: ChipTable, chip_km: float | None = None) -> Places:
    """Return the circles around the chips of a table.

    Args:
        table: The table.
        chip_km: Side of a chip, whose place is then that of the columns `lat` and `lon`; 0 for points. By default the
            footprints of the files are read; chips without are points at `lat` and `lon`.

    Raises:
        TableError: A latitude or longitude is not one.
    """
    lonlat, located = _table_places(table)
    radius = np.full(len(table), 0.0 if chip_km is None else chip_km / math.sqrt(2))
    notes: list[str] = []
    if chip_km is None:
        footprints = _read_footprints(table)
        for row, location in enumerate(table.locations):
            if (footprint := footprints.get(location)) is not None:
                lonlat[row], radius[row], located[row] = footprint.center, footprint.half_diagonal_km, True
        points = int(located.sum()) - sum(location in footprints for location in table.locations)
        if points:
            notes.append(
                f"{counted(points, 'chip', 'are')} taken as points at lat and lon, since their files are missing or "
                "not georeferenced; --chip-km says how large they are"
            )
    elif not located.any():
        notes.append(f"--chip-km has no effect, since {table.name} has no columns lat and lon")
    unknown = len(table) - int(located.sum())
    if 0 < unknown < len(table):
        notes.append(f"{counted(unknown, 'chip', 'have')} no location, as {table.inputs[int((~located).argmax())]}")
    circles = Circles(np.where(located[:, None], lonlat, 0.0), np.where(located, radius, 0.0))
    return Places(circles, located, tuple(notes), _absence(table))


def _absence(table: ChipTable) -> str:
    return (
        f"{table.name} has no values in columns lat and lon, and its chips (the first is {table.inputs[0]}) are "
        "missing or not georeferenced; add the columns, use georeferenced chips, or find chips that "
        "share ground with `instageo clean` and split its table …_groups.csv with --by group --column group"
    )


def _table_places(table: ChipTable) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return longitudes and latitudes, shape (N, 2), and which rows have them."""
    if LATITUDE not in table.columns or LONGITUDE not in table.columns:
        return np.zeros((len(table), 2)), np.zeros(len(table), bool)
    texts = table.texts(LONGITUDE), table.texts(LATITUDE)
    located = np.array([bool(longitude or latitude) for longitude, latitude in zip(*texts, strict=True)])
    lonlat = np.stack([_numbers(column) for column in texts], axis=1)
    wrong = located & ~(np.abs(lonlat) <= [180, 90]).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise TableError(
            f"{table.name}: row {table.numbers[row]}: lat={texts[1][row]} lon={texts[0][row]}; expected degrees "
            "(-90..90, -180..180)"
        )
    return lonlat, located


def _numbers(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return numbers, NaN where a text is not a number."""
    try:
        return np.array(list(map(float, texts)))
    except ValueError:
        return np.array([_number(text) for text in texts])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _read_footprints(table: ChipTable) -> Mapping[str, Footprint]:
    """Return the footprints of files that have one, by location."""
    locations = list(dict.fromkeys(table.locations))
    footprints = track(map_threads(_footprint, locations), "reading footprints", len(locations))
    return {
        location: footprint for location, footprint in zip(locations, footprints, strict=True) if footprint is not None
    }


def _footprint(location: str) -> Footprint | None:
    try:
        return find_footprint(read_info(location).grid)
    except RasterError:
        return None
