"""Folds of a cross-validation: folders with train.csv, test.csv and, usually, val.csv."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instageo.errors import ConfigError, TableError
from instageo.files import write_bytes
from instageo.locations import is_remote, join_location
from instageo.model.settings.table_settings import FILE as TABLE_SETTINGS
from instageo.table import INPUT, cell_text, read_content, write_table
from instageo.table_formats import READERS

TRAIN, VAL, TEST = "train.csv", "val.csv", "test.csv"
"""Tables of a fold."""

HELD_OUT = 0.2
"""Share of the training chips that validate where two folds have no validation table."""

Records = Sequence[Mapping[str, object]]
"""The rows of a table, each the value of every column."""


@dataclass(frozen=True)
class FoldTables:
    """Tables of a fold, one division of the chips into training, validation and test.

    Attributes:
        name: A name that no other fold has.
        root: Folder or URL that paths in the tables start from.
        train: The training table.
        val: The validation table, by which the best epoch is chosen; None if the folder has none.
        test: The table that is scored.
    """

    name: str
    root: str
    train: Path
    val: Path | None
    test: Path


def find_folds(sources: Sequence[str | Path], root_dir: str | None = None) -> list[FoldTables]:
    """Return the folds in folders: a folder with `test.csv` is a fold, any other is searched for folds.

    Args:
        sources: The folders.
        root_dir: Folder or URL that paths in all tables start from; None for the folder of each fold.

    Raises:
        ConfigError: A folder does not exist or has no folds, there is only one fold, or a fold is listed twice.
        TableError: A fold lacks its training or test table.
    """
    folders = [folder for source in sources for folder in _fold_folders(Path(source).expanduser())]
    for folder, count in Counter(folder.resolve() for folder in folders).items():
        if count > 1:
            raise ConfigError(f"{folder}: is listed twice, but each fold counts once; remove one")
    if len(folders) == 1:
        raise ConfigError(f"{folders[0]}: is the only fold, but a cross-validation needs at least 2; add the others")
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = ["_".join(folder.absolute().parts[-2:]) for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{number}_{folder.name}" for number, folder in enumerate(folders, start=1)]
    return [_fold(name, folder, root_dir) for name, folder in zip(names, folders, strict=True)]


def read_records(path: Path) -> Records:
    """Read the rows of a table.

    Raises:
        TableError: It is missing, has no rows, or no column `Input`.
    """
    records = READERS[path.suffix](read_content(str(path)), str(path))
    if not records:
        raise TableError(f"{path}: has no chips; each fold needs some in {TRAIN} and in {TEST}")
    if INPUT not in records[0]:
        raise TableError(f"{path}: no column '{INPUT}'; found {list(records[0])}; expected a table of chips")
    return records


def chip_locations(records: Records, root: str | Path) -> list[str]:
    """Return the path or URL of the chip of each row, written in the same way in all tables."""
    locations = [join_location(root, cell_text(record[INPUT])) for record in records]
    return [location if is_remote(location) else os.path.abspath(location) for location in locations]


def add_validation(folds: Sequence[FoldTables], output: Path) -> list[FoldTables]:
    """Give each fold without a validation table one, or return the folds unchanged.

    With three or more folds it has the test chips of the next fold, and the fold trains on the chips that it shares
    with the training table of the next fold. So a buffer that both folds keep around their test chips also lies around
    the validation chips. With two folds it has a fifth of the fold's training chips.

    Args:
        folds: All folds, in their order; the first one follows the last.
        output: Parent of the folders, one per fold, that the new tables are written to.

    Raises:
        ConfigError: Some folds have a validation table and others have not, or nothing is left to train or validate on.
        WriteError: A table cannot be written.
    """
    without = [fold for fold in folds if fold.val is None]
    if not without:
        return list(folds)
    if len(without) < len(folds):
        raise ConfigError(
            f"{without[0].test.parent}: has no {VAL}, but other folds have one; expected it in all or in none"
        )
    if len(folds) == 2:
        return [_hold_out(fold, output) for fold in folds]
    return [_rotate(fold, folds[(number + 1) % len(folds)], output) for number, fold in enumerate(folds)]


def _rotate(fold: FoldTables, following: FoldTables, output: Path) -> FoldTables:
    """Divide the training chips of a fold by the tables of the next fold."""
    records = read_records(fold.train)
    locations = chip_locations(records, fold.root)
    tables = dict[str, Records]()
    for name, source in ((TRAIN, following.train), (VAL, following.test)):
        chosen = set(chip_locations(read_records(source), following.root))
        tables[name] = [record for record, location in zip(records, locations, strict=True) if location in chosen]
        if not tables[name]:
            raise ConfigError(
                f"{fold.train}: shares no chip with {source}, so that none is left for {name}; split again with a "
                f"share for {VAL}"
            )
    return _with_tables(fold, tables, output)


def _hold_out(fold: FoldTables, output: Path) -> FoldTables:
    """Take the validation chips from the training chips, at random but always the same ones."""
    records = read_records(fold.train)
    names = [cell_text(record[INPUT]) for record in records]
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(ordered) < 2:
        raise ConfigError(
            f"{fold.train}: has only one chip, so that none is left for {VAL}; add chips, or a {VAL} to each fold"
        )
    held_out = set(ordered[: max(round(HELD_OUT * len(ordered)), 1)])
    is_val = [name in held_out for name in names]
    tables = {
        name: [record for record, chosen in zip(records, is_val, strict=True) if chosen == (name == VAL)]
        for name in (TRAIN, VAL)
    }
    return _with_tables(fold, tables, output)


def _with_tables(fold: FoldTables, tables: Mapping[str, Records], output: Path) -> FoldTables:
    """Write the training and the validation table of a fold, and return it with them."""
    for name, rows in tables.items():
        path = output / fold.name / name
        if path.is_file() and read_records(path) != rows:
            raise ConfigError(
                f"{path}: belongs to other folds; choose another folder with --output, or remove this one"
            )
        write_table(path, rows)
    settings = fold.test.parent / TABLE_SETTINGS
    if settings.is_file():
        write_bytes(output / fold.name / TABLE_SETTINGS, settings.read_bytes())
    return replace(fold, train=output / fold.name / TRAIN, val=output / fold.name / VAL)


def _fold(name: str, folder: Path, root_dir: str | None) -> FoldTables:
    for table in (TRAIN, TEST):
        if not (folder / table).is_file():
            raise TableError(f"{folder}: has no {table}; expected the folder of a fold with {TRAIN} and {TEST}")
    val = folder / VAL
    return FoldTables(name, root_dir or str(folder), folder / TRAIN, val if val.is_file() else None, folder / TEST)


def _fold_folders(source: Path) -> list[Path]:
    if not source.is_dir():
        raise ConfigError(
            f"{source}: is not a folder; expected one that instageo split --by kfold or region has written"
        )
    if (source / TEST).is_file():
        return [source]
    fold_folders = [
        path for path in source.iterdir() if path.is_dir() and ((path / TEST).is_file() or (path / TRAIN).is_file())
    ]
    if not fold_folders:
        raise ConfigError(
            f"{source}: has no folds; expected folders with {TRAIN} and {TEST}, as instageo split --by kfold writes "
            "them"
        )
    return sorted(fold_folders, key=_natural_order)


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """Return a key that puts `fold_2` before `fold_10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
