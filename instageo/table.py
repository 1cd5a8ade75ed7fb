"""Tables of chips: CSV, JSON or Parquet with a column `Input` and, for training and scoring, `Label`.

Optional columns tell when and where a chip was seen: `dates`, ISO dates separated by `;` or a list of dates, and `lat`
and `lon`, degrees.
"""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path, PurePosixPath

from instageo.errors import MissingExtraError, TableError
from instageo.gdal_access import explain, reason_of
from instageo.locations import hide_secrets, is_remote, join, read_bytes, store_exceptions
from instageo.table_formats import READERS

INPUT, LABEL = "Input", "Label"
DATES, LATITUDE, LONGITUDE = "dates", "lat", "lon"

NONE = "-"
"""The label of a chip to which none of several labels applies; an empty one is not known."""


@dataclass(frozen=True)
class Row:
    """One chip of a table.

    Attributes:
        name: The input as the table writes it, without secrets; used in messages.
        input: Local path or URL of the chip.
        label: That of its label, or, where whole chips are labelled, the label itself; None where the table has none.
        dates: When it was seen, in the order of its layers; empty where the table does not say.
        place: Latitude and longitude, degrees; None where the table does not say.
        label_is_file: Whether the label is a file.
    """

    name: str
    input: str
    label: str | None
    dates: tuple[date, ...] = ()
    place: tuple[float, float] | None = None
    label_is_file: bool = True


def read_table(path: str | Path, root_dir: str | Path, *, need_label: bool, label_is_file: bool = True) -> list[Row]:
    """Read the rows of a table.

    Args:
        path: A `.csv` file with a header, a `.json` file (a list of records, or records under one key), or a
            `.parquet` file; local or a URL. Looked up as given, then below `root_dir`.
        root_dir: Folder, or URL of one, that relative paths of the table start from.
        need_label: Whether every row must name a label. Otherwise an empty or absent label is allowed.
        label_is_file: Whether labels are paths; otherwise what the column holds is the label itself.

    Raises:
        TableError: The table is missing, unreadable, empty, or lacks a column or a value.
        MissingExtraError: It takes a package that is not installed.
    """
    file = _locate(str(path), root_dir)
    suffix = PurePosixPath(hide_secrets(file)).suffix
    if suffix.lower() not in READERS:
        raise TableError(f"{file}: tables end in {', '.join(READERS)}; found '{suffix}'. Save it as one of these")
    records = READERS[suffix.lower()](_content(file), file)
    if not records:
        raise TableError(f"{file}: the table has no rows; expected at least one chip")
    columns = list(dict.fromkeys(column for record in records for column in record))
    for column in (INPUT, LABEL) if need_label else (INPUT,):
        if column not in columns:
            raise TableError(f"{file}: no column '{column}'; found {columns}. {_column_hint(columns)}")
    rows = [_row(file, number, record, root_dir) for number, record in enumerate(records, start=1)]
    unlabelled = [(number, row.name) for number, row in enumerate(rows, start=1) if not row.label]
    if need_label and unlabelled:
        number, name = unlabelled[0]
        expected = "the path of a label" if label_is_file else "the label of the chip"
        raise TableError(f"{file}: row {number} ({name}) has no value in column '{LABEL}'; expected {expected}")
    return [_located(row, root_dir) for row in rows] if label_is_file else rows


def write_table(path: str | Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write records, at least one, with the same keys as CSV; the file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _column_hint(columns: Sequence[str]) -> str:
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        return "Separate columns by commas"
    return f"The first line must name the columns '{INPUT}' and '{LABEL}'"


def _locate(path: str, root_dir: str | Path) -> str:
    candidates = path, join(root_dir, path)
    for candidate in candidates:
        if is_remote(candidate) or Path(candidate).is_file():
            return candidate
    places = " and ".join(dict.fromkeys(str(Path(candidate).absolute()) for candidate in candidates))
    raise TableError(f"table '{path}' does not exist; looked for {places}")


def _content(file: str) -> bytes:
    if not is_remote(file):
        return Path(file).read_bytes()
    try:
        return read_bytes(file)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{file}: {error}") from error
    except store_exceptions() as error:
        expected = f"{file}: cannot be read ({reason_of(file, error)}); expected the URL of a table"
        raise TableError(explain(file, error) or expected) from error


def _row(file: str, number: int, record: Mapping[str, object], root_dir: str | Path) -> Row:
    """A row whose label is as the table writes it."""
    name, label = _text(record.get(INPUT)), _label(record.get(LABEL))
    if not name:
        raise TableError(f"{file}: row {number} has no value in column '{INPUT}'; expected the path of a chip")
    where = f"{file}: row {number} ({name})"
    seen = _dates(record, where), _place(record, where)
    return Row(hide_secrets(name), join(root_dir, name), label or None, *seen, label_is_file=False)


def _label(value: object) -> str:
    """A label as text; several in a list are separated by `;`, and none in a list is `-`."""
    return ";".join(map(_text, value)) or NONE if isinstance(value, list) else _text(value)


def _located(row: Row, root_dir: str | Path) -> Row:
    """The row whose label is a path below `root_dir`."""
    return replace(row, label=join(root_dir, row.label) if row.label else None, label_is_file=True)


def _dates(record: Mapping[str, object], where: str) -> tuple[date, ...]:
    value = record.get(DATES)
    parts = [_text(part) for part in value] if isinstance(value, list) else [_text(value)]
    text = ";".join(parts) if all(parts) else ""  # dates that are known in part are not known
    try:
        return parse_dates(text)
    except ValueError as error:
        raise TableError(f"{where}: {DATES}={text}; expected ISO dates such as 2024-03-05;2024-06-12") from error


def parse_dates(text: str) -> tuple[date, ...]:
    """Days of a text of ISO dates or times separated by `;`.

    Raises:
        ValueError: It holds something else.
    """
    return tuple(datetime.fromisoformat(part.strip()).date() for part in text.split(";") if part.strip())


def _place(record: Mapping[str, object], where: str) -> tuple[float, float] | None:
    texts = _text(record.get(LATITUDE)), _text(record.get(LONGITUDE))
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


def _text(value: object) -> str:
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in ("nan", "none", "null", "nat") else text
