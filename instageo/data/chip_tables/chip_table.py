"""A table of chips with all its columns, as splitting needs it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from instageo.data.observations.table_rows import read_rows
from instageo.errors import TableError
from instageo.locations import hide_secrets, is_remote, join_location
from instageo.table import DATES, INPUT, LABEL, cell_text, parse_dates

SETTINGS = "settings.json"
"""File next to a table that says how its chips and labels are read."""

MISSING_INITIALS = frozenset("nN")
"""First letters of cells that may say that their value is missing."""

RASTER_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".png", ".img", ".nc", ".zarr")


@dataclass(frozen=True)
class ChipTable:
    """Rows of a table.

    Attributes:
        name: The table, for messages.
        root: Folder or URL that relative paths start from.
        columns: Names in the order of the table.
        records: The cells of each row by column; of lists, the parts with `;` between them.
        numbers: Number of each row in the file, from 1.
        locations: Path or URL of each chip.
        label_kind: `raster` or `value`, if a `settings.json` next to the table says so.
        notes: What was detected, for the user.
    """

    name: str
    root: str
    columns: tuple[str, ...]
    records: Sequence[Mapping[str, object]] = field(repr=False)
    numbers: Sequence[int] = field(repr=False)
    locations: Sequence[str] = field(repr=False)
    label_kind: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text; empty where a cell has no value.

        Raises:
            TableError: The column does not exist.
        """
        if column not in self.columns:
            raise TableError(f"{self.name}: no column '{column}'; found {', '.join(self.columns)}")
        if column not in self._texts:
            self._texts[column] = _texts([record.get(column) for record in self.records])
        return self._texts[column]

    @cached_property
    def _texts(self) -> dict[str, list[str]]:
        return {}

    @property
    def inputs(self) -> list[str]:
        """Chips as the table names them."""
        return self.texts(INPUT)

    def take(self, rows: Iterable[int]) -> "ChipTable":
        """Return the table with some of its rows."""
        chosen = list(rows)
        return replace(
            self,
            records=[self.records[row] for row in chosen],
            numbers=[self.numbers[row] for row in chosen],
            locations=[self.locations[row] for row in chosen],
        )

    @cached_property
    def labels_are_files(self) -> bool:
        """Whether the column `Label` holds paths."""
        if self.label_kind or LABEL not in self.columns:
            return self.label_kind == "raster"
        first = next(filter(None, self.texts(LABEL)), "")
        return PurePosixPath(hide_secrets(first)).suffix.lower() in RASTER_ENDINGS

    @cached_property
    def days(self) -> list[tuple[date, ...]]:
        """Dates of each chip; empty without any.

        Raises:
            TableError: The column of dates is missing, or a cell holds something else.
        """
        return [self._parse_days(number, text) for number, text in zip(self.numbers, self.texts(DATES), strict=True)]

    def _parse_days(self, number: int, text: str) -> tuple[date, ...]:
        try:
            return parse_dates(text)
        except ValueError as error:
            raise TableError(
                f"{self.name}: row {number}: {DATES}={text}; expected ISO dates such as 2024-03-05;2024-06-12"
            ) from error


def read_chip_table(path: str, root_dir: str | None = None) -> ChipTable:
    """Read a table of chips with all its columns.

    Args:
        path: CSV, JSON or Parquet; local or a URL.
        root_dir: Folder that its paths are relative to; by default the table's folder.

    Raises:
        TableError: The table is unreadable or empty, or has no column `Input`, or a row without a chip.
        MissingExtraError: A package is not installed.
    """
    rows = read_rows(path)
    folder = path.rpartition("/")[0] if is_remote(path) else str(Path(path).parent)
    numbers, records = [number for number, _ in rows.rows], [record for _, record in rows.rows]
    if PurePosixPath(rows.table).suffix.lower() in (".json", ".parquet", ".pq"):
        records = [_plain(record, rows.columns) for record in records]
    kind = _label_kind(Path(folder)) if not is_remote(path) else None
    if INPUT not in rows.columns:
        columns = ", ".join(rows.columns)
        raise TableError(
            f"{rows.table}: no column '{INPUT}' with the paths of chips; found {columns}; rename one of them"
        )
    table = ChipTable(rows.table, root_dir or folder, rows.columns, records, numbers, (), kind, rows.notes)
    missing = [number for number, name in zip(numbers, table.inputs, strict=True) if not name]
    if missing:
        raise TableError(
            f"{table.name}: row {missing[0]} has no value in column '{INPUT}'; expected the path of a chip"
        )
    return replace(table, locations=locate_all(table.root, table.inputs))


def locate_all(root: str, names: Iterable[str]) -> list[str]:
    """Return the location of each file that a table names; see `join_location`."""
    if is_remote(root):
        return [join_location(root, name) for name in names]
    return [f"{root}/{name}" if name[:1] != "/" and ":" not in name else join_location(root, name) for name in names]


def _label_kind(folder: Path) -> str | None:
    """Return what `settings.json` says about labels; it is checked where a model reads it."""
    try:
        settings: Any = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    label = settings.get("label") if isinstance(settings, dict) else None
    kind = label.get("kind") if isinstance(label, dict) else None
    return kind if kind in ("raster", "value") else None


def _plain(record: Mapping[str, object], columns: Sequence[str]) -> Mapping[str, object]:
    """Return a row of JSON or Parquet as CSV has it: lists as texts, missing cells empty."""
    cells = {column: record.get(column) for column in columns}
    return {
        column: "" if value is None else ";".join(map(cell_text, value)) if isinstance(value, list) else value
        for column, value in cells.items()
    }


def _texts(cells: Sequence[Any]) -> list[str]:
    """Return the texts of cells; see `cell_text`, which is called for few of them."""
    if not all(type(cell) is str for cell in cells):
        return [cell_text(cell) for cell in cells]
    return [cell_text(text) if text[:1] in MISSING_INITIALS else text for text in map(str.strip, cells)]
