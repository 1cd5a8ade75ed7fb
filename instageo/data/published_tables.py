"""Tables that a data set brings: their paths are made relative to the folder in which the files are now."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from instageo.data.public_datasets import DatasetTables, Rows, SkippedFile, list_files
from instageo.data.split_lists import SPLIT_ALIASES, SPLITS
from instageo.errors import TableError
from instageo.locations import is_remote
from instageo.table import DATES, INPUT, LABEL, LATITUDE, LONGITUDE, cell_text
from instageo.table_formats import READERS
from instageo.wording import counted

PUBLISHED = "published"
"""Name of the layout."""

OPTIONAL = (DATES, LATITUDE, LONGITUDE)
"""Columns that are kept if the table has them."""

_SPLIT = re.compile(
    r"(?:^|[_\-. ])(train|training|val|valid|validation|test|testing|bolivia)(?=[_\-. ]|$)", re.IGNORECASE
)


def published_dataset(folder: Path) -> DatasetTables:
    """Return the tables of a data set that brings them, with the rows whose chip and label are there.

    Raises:
        TableError: The folder does not exist, or has no such tables or no such row.
    """
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder; expected the folder of the data set")
    tables: dict[str, Rows] = {}
    skipped: list[SkippedFile] = []
    files = find_published_tables(list_files(folder), folder)
    for split, file in files.items():
        rows = read_published_table(file, folder)
        tables[split] = [row for row, _ in rows if row[INPUT] and row[LABEL]]
        skipped += [
            SkippedFile(name, split, "no label" if row[INPUT] else "listed, but the chip is missing")
            for row, name in rows
            if not (row[INPUT] and row[LABEL])
        ]
    if not any(tables.values()):
        example = f", such as {skipped[0].name}" if skipped else ""
        raise TableError(
            f"{folder}: none of the {counted(len(skipped), 'chip')} of its tables is there with its label{example}"
        )
    notes = tuple(f"{split} is taken from {file.relative_to(folder)}" for split, file in files.items())
    return DatasetTables({split: rows for split, rows in tables.items() if rows}, tuple(skipped), notes)


def find_published_tables(files: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Return the table of each split: a file named after it with a column `Input`; below the folder rather than in it.

    Raises:
        TableError: Two tables are named after a split, or none is.
    """
    candidates: dict[str, list[Path]] = {}
    for file in files:
        match = _SPLIT.search(file.stem)
        if match and file.suffix.lower() in READERS and INPUT in _columns(file):
            name = match[1].lower()
            candidates.setdefault(SPLIT_ALIASES.get(name, name), []).append(file)
    below = {split: [path for path in paths if path.parent != folder] or paths for split, paths in candidates.items()}
    for split, paths in below.items():
        if len(paths) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in paths)
            raise TableError(f"{folder}: has several tables of {split} ({names}); keep one of them")
    if not below:
        raise TableError(
            f"{folder}: has no table with a column '{INPUT}' that is named after train, val or test; found "
            f"{', '.join(file.name for file in files if file.suffix.lower() in READERS) or 'no table at all'}"
        )
    return {split: below[split][0] for split in SPLITS if split in below}


def read_published_table(table: Path, folder: Path) -> list[tuple[dict[str, str], str]]:
    """Return the rows of a table, with paths relative to the folder or empty, and how the table names the chip.

    A path is searched from the folder of the table up to `folder`; its first parts, such as a bucket, may differ.
    """
    records = READERS[table.suffix.lower()](table.read_bytes(), str(table))
    bases = [base for base in table.parents if base.is_relative_to(folder)]
    optional = [column for column in OPTIONAL if any(column in record for record in records)]
    return [
        (
            {column: _find(cell_text(record.get(column)), bases, folder) for column in (INPUT, LABEL)}
            | {column: _text(record.get(column)) for column in optional},
            cell_text(record.get(INPUT)),
        )
        for record in records
    ]


def _find(text: str, bases: Sequence[Path], folder: Path) -> str:
    """Return the path of a file relative to `folder`; empty if it is not there."""
    path = PurePosixPath(text.partition("://")[2] if is_remote(text) else text.replace("\\", "/"))
    parts = [part for part in path.parts if part not in ("/", ".", "..")]
    for start in range(len(parts)):
        for base in bases:
            if (file := base.joinpath(*parts[start:])).is_file():
                return file.relative_to(folder).as_posix()
    return ""


def _text(value: object) -> str:
    return ";".join(map(cell_text, value)) if isinstance(value, list) else cell_text(value)


def _columns(file: Path) -> Mapping[str, object]:
    """Return the first record of a table; empty if it has none, or cannot be read."""
    try:
        return next(iter(READERS[file.suffix.lower()](file.read_bytes(), str(file))), {})
    except TableError:
        return {}
