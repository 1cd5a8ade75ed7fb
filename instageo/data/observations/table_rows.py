"""Rows of tables as people save them: CSV of any separator and encoding, JSON, Parquet."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from instageo.data.observations.problems import Problems
from instageo.errors import TableError
from instageo.locations import hide_secrets
from instageo.table import cell_text, read_content
from instageo.table_formats import read_json, read_parquet
from instageo.wording import counted

SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas"}

LARGEST_CELL = 1 << 30
"""Characters of a cell; outlines of large polygons are long."""


HINTS = dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV") | dict.fromkeys(
    (".tif", ".tiff", ".vrt", ".geojson", ".gpkg", ".shp"), "rasters and polygons are for `instageo chips raster`"
)
"""What to do with files that are no tables, by ending."""


@dataclass(frozen=True)
class TableRows:
    """A table that has been read.

    Attributes:
        table: The file, for messages.
        columns: Names in the order of the table.
        rows: Row number, from 1 without the header, and its cells by column; rows without any content are left out.
        content: The bytes of the file.
        notes: What was detected, for the user.
    """

    table: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[int, Mapping[str, object]]]
    content: bytes = field(repr=False)
    notes: tuple[str, ...] = ()


def read_rows(path: str | Path) -> TableRows:
    """Read a table.

    Args:
        path: A `.csv`, `.tsv`, `.txt`, `.json`, `.parquet` or `.pq` file; local or a URL.

    Raises:
        TableError: It is missing, unreadable or empty, or some rows have more cells than the header.
        MissingExtraError: A package is not installed.
    """
    table = hide_secrets(str(path))
    suffix = PurePosixPath(table).suffix.lower()
    if suffix not in READERS:
        hint = HINTS.get(suffix, "save the table as CSV")
        raise TableError(f"{table}: the file name ends in '{suffix}'; expected one of {', '.join(READERS)}; {hint}")
    content = read_content(str(path))
    columns, records, notes = READERS[suffix](content, table)
    rows = [(number, record) for number, record in enumerate(records, 1) if any(map(cell_text, record.values()))]
    if not rows:
        raise TableError(f"{table}: the table has no rows; expected a header line and at least one row")
    if len(rows) < len(records):
        notes = [*notes, f"{counted(len(records) - len(rows), 'row', 'are')} empty and left out"]
    return TableRows(table, tuple(columns), rows, content, tuple(f"{table}: {note}" for note in notes))


Content = tuple[Sequence[str], Sequence[Mapping[str, object]], Sequence[str]]
"""Columns, records and notes."""


def _read_csv(content: bytes, table: str) -> Content:
    text, notes = _decode(content)
    lines = io.StringIO(text, newline=None)  # every kind of line end; read no further than the header
    first = next(lines, "")
    declared = first[4:5] if first.lower().startswith("sep=") else ""
    if declared:
        text = text.split("\n", 1)[-1]
    header = first if first.strip() and not declared else next((line for line in lines if line.strip()), "")
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        separator = declared or max(SEPARATORS, key=lambda text: len(next(csv.reader([header], delimiter=text), [])))
        table_lines = list(csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise TableError(
            f"{table}: cannot be read as CSV ({error}); look for a quotation mark without its pair"
        ) from error
    finally:
        csv.field_size_limit(limit)
    if separator != ",":
        notes.append(f"columns are separated by {SEPARATORS.get(separator, repr(separator))}")
    columns = [name.strip() for name in table_lines[0]] if table_lines else []
    while columns and not columns[-1]:
        columns.pop()
    _check_lengths(table, columns, table_lines[1:], separator)
    missing = [""] * len(columns)
    records = [
        dict(zip(columns, line if len(line) >= len(columns) else [*line, *missing], strict=False))
        for line in table_lines[1:]
    ]
    return columns, records, notes


def _check_lengths(table: str, columns: Sequence[str], lines: Sequence[Sequence[str]], separator: str) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise TableError(f"{table}: the column '{twice[0]}' occurs twice; rename or remove one")
    problems = Problems(table)
    advice = (
        "; put numbers with decimal commas in quotes, or separate columns by semicolons" if separator == "," else ""
    )
    for number, line in enumerate(lines, start=1):
        if len(line) > len(columns) and any(cell.strip() for cell in line[len(columns) :]):
            problems.add(
                number, f"has {len(line)} cells, but the header names {counted(len(columns), 'column')}{advice}"
            )
    problems.check()


def _decode(content: bytes) -> tuple[str, list[str]]:
    """Return the text of a file, and a note if it is not UTF-8."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace"), ["read as UTF-16"]
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        note = "is not UTF-8 and was read as Latin-1 (Windows-1252)"
        return content.decode("cp1252", errors="replace"), [note]


def _records(parse: Callable[[bytes, str], list[dict[str, object]]]) -> Callable[[bytes, str], Content]:
    def read(content: bytes, table: str) -> Content:
        records = parse(content, table)
        return list(dict.fromkeys(column for record in records for column in record)), records, []

    return read


READERS: dict[str, Callable[[bytes, str], Content]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".json": _records(read_json),
    ".parquet": _records(read_parquet),
    ".pq": _records(read_parquet),
}
"""Reader by file ending."""
