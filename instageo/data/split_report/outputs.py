"""Tables of the parts of a split, with paths that are right from the folder they are written to."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from instageo.data.chip_tables.chip_table import SETTINGS, ChipTable
from instageo.data.splitting.assignment import DROPPED, Assignment
from instageo.errors import RunFolderError
from instageo.files import atomic_path, write_bytes
from instageo.locations import is_remote, join_location
from instageo.table import DATES, INPUT, LABEL, LATITUDE, LONGITUDE

DROPPED_TABLE, RECORD, FIGURE = "dropped.csv", "split.json", "split.png"

DROPPED_FROM, REASON = "dropped_from", "reason"
"""Further columns of `dropped.csv`."""

Rows = Sequence[Mapping[str, object]]


def write_parts(folder: Path, table: ChipTable, assignment: Assignment, *, keep_paths: bool) -> None:
    """Write a table for each part, and `dropped.csv` with the part that a row was in and why it is in none.

    Args:
        folder: Where to.
        table: The table that was split.
        assignment: Part of each row.
        keep_paths: Whether paths stay as they are; otherwise they are made relative to the folder.
    """
    rows = table.records if keep_paths else move_paths(table, folder)
    for name in assignment.parts:
        _write(folder / f"{name}.csv", table.columns, [rows[row] for row in assignment.rows(name)])
    columns = (*table.columns, DROPPED_FROM, REASON)
    dropped = [
        {**rows[row], DROPPED_FROM: assignment.dropped_from.get(row, ""), REASON: assignment.reasons.get(row, "")}
        for row in range(len(rows))
        if assignment.part[row] == DROPPED
    ]
    _write(folder / DROPPED_TABLE, columns, dropped)


def move_paths(table: ChipTable, folder: Path) -> Rows:
    """Return the rows of a table with paths relative to another folder; URLs and absolute paths stay as they are."""
    if not is_remote(table.root) and Path(table.root).absolute() == folder.absolute():
        return table.records
    columns = [INPUT, LABEL] if table.labels_are_files and LABEL in table.columns else [INPUT]
    back = "" if is_remote(table.root) else os.path.relpath(Path(table.root).absolute(), folder.absolute())

    move_folder = lru_cache(lambda folder: os.path.normpath(f"{back}/{folder}"))

    def move(text: str) -> str:
        if not text or text[0] == "/" or (":" in text and is_remote(text)):
            return text
        if not back:
            return join_location(table.root, text)
        folder, _, name = text.rpartition("/")
        return os.path.normpath(f"{back}/{text}") if name in ("", ".", "..") else f"{move_folder(folder)}/{name}"

    rows = table.records
    for column in columns:
        rows = [{**row, column: text} for row, text in zip(rows, map(move, table.texts(column)), strict=True)]
    return rows


def copy_settings(table_folder: Path, folder: Path) -> str | None:
    """Copy the `settings.json` of a table, from which models learn how to read its chips.

    Returns:
        A remark if the folder has another one, which is left as it is.
    """
    source, target = table_folder / SETTINGS, folder / SETTINGS
    if not source.is_file() or (target.exists() and target.samefile(source)):
        return None
    content = source.read_bytes()
    if target.exists() and target.read_bytes() != content:
        return f"{target} differs from {source} and was left as it is"
    write_bytes(target, content)
    return None


def check_folder(folder: Path, names: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Raise if tables would replace the table that is split, or tables that no split wrote.

    Raises:
        RunFolderError: They would.
    """
    targets = [folder / name for name in names]
    for target in targets:
        if any(target.exists() and path.exists() and target.samefile(path) for path in inputs):
            raise RunFolderError(f"{target}: is the table that is to be split; choose another folder with --output")
        if target.exists() and not overwrite and not (folder / RECORD).exists():
            raise RunFolderError(
                f"{target}: exists and was not written by a split; choose another folder with --output, or pass "
                "--overwrite"
            )


def row_lines(table: ChipTable) -> list[str]:
    """Return name, place, date and value of each chip as one line, for checksums; folders do not matter."""
    columns = [column for column in (LATITUDE, LONGITUDE, DATES) if column in table.columns]
    if LABEL in table.columns and not table.labels_are_files:
        columns.append(LABEL)
    names = [name.rpartition("/")[2] for name in table.inputs]
    return list(map("\t".join, zip(names, *(table.texts(column) for column in columns), strict=True)))


def digest_lines(lines: Iterable[str]) -> str:
    """Return the checksum of some lines in any order."""
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _write(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)
