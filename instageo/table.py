"""Tables of chips: CSV, JSON or Parquet with a column `Input` and, for training and scoring, `Label`.

Optional columns give the time and place of acquisition: `dates`, ISO dates separated by `;` or a list of dates, and
`lat` and `lon`, degrees.
"""

import csv
import difflib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath

from instageo.errors import MissingExtraError, TableError
from instageo.files import atomic_path
from instageo.gdal_access import explain_failure, summarize_error
from instageo.locations import hide_secrets, is_remote, join_location, read_bytes, store_exceptions
from instageo.table_formats import READERS

INPUT, LABEL = "Input", "Label"
DATES, LATITUDE, LONGITUDE = "dates", "lat", "lon"

log = logging.getLogger(__name__)

OPTIONAL = {
    "label": LABEL, "dates": DATES, "lat": LATITUDE, "lon": LONGITUDE, "latitude": LATITUDE, "longitude": LONGITUDE,
}  # fmt: skip
"""Columns that a table may lack, by names that users may give them, in small letters."""

NONE = "-"
"""Label of a chip to which no class applies (multi-label classification); an empty label means unknown."""


@dataclass(frozen=True)
class Row:
    """One chip of a table.

    Attributes:
        name: The input as the table writes it, without secrets; used in messages.
        input: Local path or URL of the chip.
        label: Local path or URL of its label, or, for labels of whole chips, the label itself; None if the table has
            none.
        dates: Acquisition dates in the order of its layers; empty if the table has none.
        lat_lon: Latitude and longitude, degrees; None if the table has none.
        label_is_file: Whether `label` is a path or URL.
    """

    name: str
    input: str
    label: str | None
    dates: tuple[date, ...] = ()
    lat_lon: tuple[float, float] | None = None
    label_is_file: bool = True


def read_table(path: str | Path, root_dir: str | Path, *, need_label: bool, label_is_file: bool = True) -> list[Row]:
    """Read the rows of a table.

    Args:
        path: A `.csv` file with a header, a `.json` file (a list of records, or records under one key), or a
            `.parquet` file; local or a URL. Searched for as given, then below `root_dir`.
        root_dir: Folder, or URL of one, that relative paths of the table start from.
        need_label: Whether every row must have a label. Otherwise a label may be empty or absent.
        label_is_file: Whether labels are paths; otherwise the column holds the labels themselves.

    Raises:
        TableError: The table is missing, unreadable, empty, or lacks a column or a value.
        MissingExtraError: A package is not installed.
    """
    file = find_table(path, root_dir)
    suffix = PurePosixPath(hide_secrets(file)).suffix
    if suffix.lower() not in READERS:
        raise TableError(f"{file}: the file name ends in '{suffix}'; save the table as {', '.join(READERS)}")
    records = READERS[suffix.lower()](read_content(file), file)
    return rows_from_records(records, file, root_dir, need_label=need_label, label_is_file=label_is_file)


def rows_from_records(
    records: Sequence[Mapping[str, object]],
    file: str,
    root_dir: str | Path,
    *,
    need_label: bool,
    label_is_file: bool = True,
) -> list[Row]:
    """Return the rows of a table that has been read.

    Args:
        records: The value of each column, row by row.
        file: Name of the table, for messages.
        root_dir: As in `read_table`.
        need_label: As in `read_table`.
        label_is_file: As in `read_table`.

    Raises:
        TableError: The table is empty, or lacks a column or a value.
    """
    if not records:
        raise TableError(f"{file}: the table has no rows; expected at least one chip")
    columns = list(dict.fromkeys(column for record in records for column in record))
    for column in (INPUT, LABEL) if need_label else (INPUT,):
        if column not in columns:
            raise TableError(
                f"{file}: no column '{column}'; found {columns}; {_column_hint(columns, need_label=need_label)}"
            )
    _warn_of_misnamed(columns, file)
    rows = []
    for number, record in enumerate(records, start=1):
        row = _row(f"{file}: row {number}", record, root_dir, label_is_file=label_is_file)
        if need_label and not row.label:
            expected = "the path of a label" if label_is_file else "the label of the chip"
            raise TableError(f"{file}: row {number} ({row.name}) has no value in column '{LABEL}'; expected {expected}")
        rows.append(row)
    return rows


def write_table(path: str | Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write records with the same keys, at least one, as CSV; see `atomic_path`."""
    with atomic_path(Path(path)) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def parse_dates(text: str) -> tuple[date, ...]:
    """Parse ISO dates or times separated by `;`.

    Raises:
        ValueError: A part is not an ISO date.
    """
    return tuple(datetime.fromisoformat(part.strip()).date() for part in text.split(";") if part.strip())


def _column_hint(columns: Sequence[str], *, need_label: bool) -> str:
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
        return "separate columns by commas"
    needed = f"the columns '{INPUT}' and '{LABEL}'" if need_label else f"the column '{INPUT}'"
    return f"the first line must name {needed}"


def _warn_of_misnamed(columns: Sequence[str], file: str) -> None:
    """Warn of columns that are not read, but whose names resemble those of columns that the table lacks."""
    absent = {name: column for name, column in OPTIONAL.items() if column not in columns}
    for name in columns:
        if name in (INPUT, *OPTIONAL.values()):
            continue
        for near in difflib.get_close_matches(name.lower(), absent, n=1, cutoff=0.8):
            message = "%s: column '%s' is not read; rename it to '%s' if that is what it holds"
            log.warning(message, file, name, absent[near])


def find_table(path: str | Path, root_dir: str | Path) -> str:
    """Return the path of a table as given, or below `root_dir`; a URL is not looked for.

    Raises:
        TableError: It is in neither place.
    """
    candidates = str(path), join_location(root_dir, str(path))
    for candidate in candidates:
        if is_remote(candidate) or Path(candidate).is_file():
            return candidate
    tried = " and ".join(dict.fromkeys(str(Path(candidate).absolute()) for candidate in candidates))
    raise TableError(f"table '{path}' does not exist; looked for {tried}")


def read_content(file: str) -> bytes:
    """Return the bytes of a table, which may be behind a URL.

    Raises:
        TableError: It cannot be read.
        MissingExtraError: A package is not installed.
    """
    if not is_remote(file):
        if not Path(file).is_file():
            raise TableError(f"{file}: does not exist; looked for {Path(file).absolute()}")
        return Path(file).read_bytes()
    try:
        return read_bytes(file)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{file}: {error}") from error
    except store_exceptions() as error:
        unreadable = f"{file}: cannot be read ({summarize_error(file, error)}); expected the URL of a table"
        raise TableError(explain_failure(file, error) or unreadable) from error


def _row(where: str, record: Mapping[str, object], root_dir: str | Path, *, label_is_file: bool) -> Row:
    name = cell_text(record.get(INPUT))
    if not name:
        raise TableError(f"{where} has no value in column '{INPUT}'; expected the path of a chip")
    where = f"{where} ({name})"
    value = record.get(LABEL)
    # Several labels in a list are joined as CSV writes them; an empty list means that no class applies.
    label = (";".join(map(cell_text, value)) or NONE) if isinstance(value, list) else cell_text(value)
    if label and label_is_file:
        label = join_location(root_dir, label)
    return Row(
        name=hide_secrets(name),
        input=join_location(root_dir, name),
        label=label or None,
        dates=_dates(record, where),
        lat_lon=_lat_lon(record, where),
        label_is_file=label_is_file,
    )


def _dates(record: Mapping[str, object], where: str) -> tuple[date, ...]:
    value = record.get(DATES)
    parts = [cell_text(part) for part in value] if isinstance(value, list) else [cell_text(value)]
    text = ";".join(parts) if all(parts) else ""  # a list with a gap counts as unknown
    try:
        return parse_dates(text)
    except ValueError as error:
        raise TableError(f"{where}: {DATES}={text}; expected ISO dates such as 2024-03-05;2024-06-12") from error


def _lat_lon(record: Mapping[str, object], where: str) -> tuple[float, float] | None:
    texts = cell_text(record.get(LATITUDE)), cell_text(record.get(LONGITUDE))
    if not any(texts):
        return None
    try:
        latitude, longitude = float(texts[0]), float(texts[1])
    except ValueError:
        latitude = longitude = math.nan
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise TableError(
            f"{where}: {LATITUDE}={texts[0]} {LONGITUDE}={texts[1]}; expected degrees (-90..90, -180..180)"
        )
    return latitude, longitude


def cell_text(value: object) -> str:
    """Return the text of a cell; empty for missing values."""
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in ("nan", "none", "null", "nat") else text
