"""Rows of a table of chips, read so that what is wrong with one row does not hide the others."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath

from instageo.errors import TableError
from instageo.locations import hide_secrets, is_remote, join_location
from instageo.table import DATES, INPUT, LABEL, LATITUDE, LONGITUDE, NONE, cell_text, parse_dates, read_content
from instageo.table_formats import READERS

RASTER_ENDINGS = (".tif", ".tiff", ".jp2", ".vrt", ".img", ".png", ".npy")
"""Ends of names by which labels are recognised as files."""


@dataclass(frozen=True)
class ChipRow:
    """One row of a table.

    Attributes:
        number: Position in the table, from 1.
        name: Input as the table writes it, without secrets.
        input: Local path or URL of the chip; empty if the row has none.
        label: Local path or URL of the label, or the label itself; None without one.
        dates: Dates in the order of the layers; None if they cannot be read, empty if there are none.
        dates_text: Dates as the table writes them.
        lat_lon: Latitude and longitude, degrees; None without them.
        problem: What is wrong with the place; empty if nothing is.
        record: All columns.
    """

    number: int
    name: str
    input: str
    label: str | None
    dates: tuple[date, ...] | None
    dates_text: str
    lat_lon: tuple[float, float] | None
    problem: str
    record: Mapping[str, object]


@dataclass(frozen=True)
class UncheckedTable:
    """A table of chips as it was read, before any check.

    Attributes:
        location: Path or URL.
        folder: Folder, or URL of one, that relative paths start from.
        columns: Names of the columns.
        rows: Its rows.
        labels_are_files: Whether the column `Label` holds paths.
    """

    location: str
    folder: str
    columns: tuple[str, ...]
    rows: tuple[ChipRow, ...]
    labels_are_files: bool


def read_chip_table(location: str, labels: str = "auto", described: str | None = None) -> UncheckedTable:
    """Read a table of chips; dates and places that make no sense are kept for the checks.

    Args:
        location: Path or URL.
        labels: `file`, `value`, or `auto`.
        described: What `settings.json` says of the labels, `raster` or `value`; counts for `auto`.

    Raises:
        TableError: The table is missing, unreadable or empty, or has no column `Input`.
    """
    suffix = PurePosixPath(hide_secrets(location)).suffix.lower()
    if suffix not in READERS:
        raise TableError(f"{location}: the file name ends in '{suffix}'; save the table as {', '.join(READERS)}")
    shown = hide_secrets(location)
    records = READERS[suffix](read_content(location), shown)
    if not records:
        raise TableError(f"{shown}: the table has no rows; expected at least one chip")
    columns = tuple(str(name) for name in dict.fromkeys(column for record in records for column in record) if name)
    if INPUT not in columns:
        raise TableError(f"{shown}: no column '{INPUT}'; found {list(columns)}; expected the paths of chips in it")
    are_files = _labels_are_files(records, labels if labels != "auto" or described is None else described)
    folder = location.rpartition("/")[0] or "."
    rows = tuple(_row(number, record, folder, are_files) for number, record in enumerate(records, start=1))
    return UncheckedTable(location, folder, columns, rows, are_files)


def _labels_are_files(records: Sequence[Mapping[str, object]], labels: str) -> bool:
    if labels != "auto":
        return labels != "value"
    texts = [text for record in records if (text := cell_text(record.get(LABEL)))]
    return any(is_remote(text) or hide_secrets(text).lower().endswith(RASTER_ENDINGS) for text in texts)


def _row(number: int, record: Mapping[str, object], folder: str, labels_are_files: bool) -> ChipRow:
    name = cell_text(record.get(INPUT))
    value = record.get(LABEL)
    label = (";".join(map(cell_text, value)) or NONE) if isinstance(value, list) else cell_text(value)
    dates_text = _dates_text(record.get(DATES))
    dates = None
    with suppress(ValueError):
        dates = parse_dates(dates_text)
    lat_lon, problem = _lat_lon(record)
    return ChipRow(
        number, hide_secrets(name), join_location(folder, name) if name else "",
        (join_location(folder, label) if labels_are_files else label) if label else None,
        dates, dates_text, lat_lon, problem, record,
    )  # fmt: skip


def _dates_text(value: object) -> str:
    parts = value if isinstance(value, list) else [value]
    return ";".join(cell_text(part) for part in parts)


def _lat_lon(record: Mapping[str, object]) -> tuple[tuple[float, float] | None, str]:
    """Return the place of a row and what is wrong with it."""
    texts = cell_text(record.get(LATITUDE)), cell_text(record.get(LONGITUDE))
    if not any(texts):
        return None, ""
    latitude = longitude = math.nan
    with suppress(ValueError):
        latitude, longitude = float(texts[0]), float(texts[1])
    if abs(latitude) <= 90 and abs(longitude) <= 180:
        return (latitude, longitude), ""
    return None, f"lat={texts[0] or '?'} lon={texts[1] or '?'} are not coordinates in degrees"
