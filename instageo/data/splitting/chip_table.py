"""A table of chips with all its columns, as splitting needs it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

RASTER_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".png", ".img", ".nc", ".zarr")


@dataclass(frozen=True)
class ChipTable:
    """Rows of a table.

    Attributes:
        name: The table, for messages.
        root: Folder or URL that relative paths start from.
        columns: Names in the order of the table.
        records: The cells of each row by column.
        numbers: Number of each row in the file, from 1.
        label_kind: `raster` or `value`, if a `settings.json` next to the table says so.
        notes: What was detected, for the user.
    """

    name: str
    root: str
    columns: tuple[str, ...]
    records: Sequence[Mapping[str, object]] = field(repr=False)
    numbers: Sequence[int] = field(repr=False)
    label_kind: str | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.records)

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text; empty where a cell has no value.

        Raises:
            TableError: There is no such column.
        """
        if column not in self.columns:
            raise TableError(f"{self.name}: no column '{column}'; found {', '.join(self.columns)}")
        return [_text(record.get(column)) for record in self.records]

    @cached_property
    def inputs(self) -> list[str]:
        """Chips as the table names them."""
        return self.texts(INPUT)

    @cached_property
    def locations(self) -> list[str]:
        """Path or URL of each chip."""
        return [join_location(self.root, name) for name in self.inputs]

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
            TableError: There is no column of dates, or a cell holds something else.
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
    kind = _label_kind(Path(folder)) if not is_remote(path) else None
    table = ChipTable(rows.table, root_dir or folder, rows.columns, records, numbers, kind, rows.notes)
    missing = [number for number, name in zip(numbers, table.inputs, strict=True) if not name]
    if missing:
        raise TableError(
            f"{table.name}: row {missing[0]} has no value in column '{INPUT}'; expected the path of a chip"
        )
    return table


def _label_kind(folder: Path) -> str | None:
    """Return what `settings.json` says about labels; it is checked where a model reads it."""
    try:
        settings: Any = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    label = settings.get("label") if isinstance(settings, dict) else None
    kind = label.get("kind") if isinstance(label, dict) else None
    return kind if kind in ("raster", "value") else None


def _text(value: object) -> str:
    return ";".join(map(cell_text, value)) if isinstance(value, list) else cell_text(value)
