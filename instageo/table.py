"""Tables of chips: CSV or JSON with a column `Input` and, for training and scoring, `Label`.

Optional columns tell when and where a chip was seen: `dates`, ISO dates separated by `;`, and `lat` and `lon`, degrees.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from instageo.errors import TableError
from instageo.locations import hide_secrets, is_remote, join

INPUT, LABEL = "Input", "Label"
DATES, LATITUDE, LONGITUDE = "dates", "lat", "lon"


@dataclass(frozen=True)
class Row:
    """One chip of a table.

    Attributes:
        name: The input as the table writes it, without secrets; used in messages.
        input: Local path or URL of the chip.
        label: That of its label; None where the table has none.
        dates: When it was seen, in the order of its layers; empty where the table does not say.
        place: Latitude and longitude, degrees; None where the table does not say.
    """

    name: str
    input: str
    label: str | None
    dates: tuple[date, ...] = ()
    place: tuple[float, float] | None = None


def read_table(path: str | Path, root_dir: str | Path, *, need_label: bool) -> list[Row]:
    """Read the rows of a table.

    Args:
        path: A `.csv` file with a header, or a `.json` file: a list of records, or records under one key.
            Looked up as given, then below `root_dir`.
        root_dir: Folder, or URL of one, that relative paths of the table start from.
        need_label: Whether every row must name a label. Otherwise an empty or absent label is allowed.

    Raises:
        TableError: The table is missing, unreadable, empty, or lacks a column or a value.
    """
    file = _locate(str(path), root_dir)
    records = _READERS[file.suffix.lower()](file) if file.suffix.lower() in _READERS else _unknown(file)
    if not records:
        raise TableError(f"{file}: the table has no rows; expected at least one chip")
    columns = list(dict.fromkeys(column for record in records for column in record))
    for column in (INPUT, LABEL) if need_label else (INPUT,):
        if column not in columns:
            raise TableError(f"{file}: no column '{column}'; found {columns}. {_column_hint(columns)}")
    return [_row(file, number, record, root_dir, need_label) for number, record in enumerate(records, start=1)]


def write_table(path: str | Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write records, at least one, with the same keys as CSV."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _column_hint(columns: Sequence[str]) -> str:
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        return "Separate columns by commas"
    return f"The first line must name the columns '{INPUT}' and '{LABEL}'"


def _locate(path: str, root_dir: str | Path) -> Path:
    candidates = [place for place in (path, join(root_dir, path)) if not is_remote(place)]
    for candidate in map(Path, candidates):
        if candidate.is_file():
            return candidate
    places = " and ".join(dict.fromkeys(str(Path(candidate).absolute()) for candidate in candidates))
    raise TableError(f"table '{path}' does not exist; looked for {places or 'a local file'}")


def _unknown(file: Path) -> list[dict[str, object]]:
    raise TableError(f"{file}: tables end in {', '.join(_READERS)}; found '{file.suffix}'. Save it as one of these")


def _row(file: Path, number: int, record: Mapping[str, object], root_dir: str | Path, need_label: bool) -> Row:
    name, label = _text(record.get(INPUT)), _text(record.get(LABEL))
    if not name:
        raise TableError(f"{file}: row {number} has no value in column '{INPUT}'; expected the path of a chip")
    if need_label and not label:
        raise TableError(
            f"{file}: row {number} ({name}) has no value in column '{LABEL}'; expected the path of a label"
        )
    where = f"{file}: row {number} ({name})"
    path = join(root_dir, label) if label else None
    return Row(hide_secrets(name), join(root_dir, name), path, _dates(record, where), _place(record, where))


def _dates(record: Mapping[str, object], where: str) -> tuple[date, ...]:
    text = _text(record.get(DATES))
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
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in ("nan", "none", "null") else text


def _read_csv(file: Path) -> list[dict[str, object]]:
    try:
        with open(file, newline="", encoding="utf-8-sig") as stream:
            return [
                {(column or "").strip(): value for column, value in record.items()} for record in csv.DictReader(stream)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{file}: cannot be read as CSV ({error}); expected UTF-8 text with a header line") from error


def _read_json(file: Path) -> list[dict[str, object]]:
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise TableError(f"{file}: cannot be read as JSON ({error}); expected a list of records") from error
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list) and _are_records(value)]
        if len(lists) != 1:
            raise TableError(
                f"{file}: keys {list(content)}, of which {len(lists)} hold records; expected a list of records, "
                "or an object with the records under one key"
            )
        content = lists[0]
    if not isinstance(content, list) or not _are_records(content):
        raise TableError(f"{file}: expected a list of records such as [{{'{INPUT}': 'chip.tif'}}]")
    return content


def _are_records(content: Sequence[object]) -> bool:
    return all(isinstance(record, dict) for record in content)


_READERS = {".csv": _read_csv, ".json": _read_json}
