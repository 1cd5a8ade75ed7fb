"""Make tables for public data sets from their file names and lists."""

import csv
import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from instageo.data.split_lists import ALL, find_lists, read_names, split_by_folder
from instageo.errors import TableError
from instageo.table import DATES, INPUT, LABEL, write_table
from instageo.wording import counted

SKIPPED = "skipped"
"""Name of the table of chips and labels that are in no other table."""

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class DatasetLayout:
    """File names of a data set; its files may be at any depth in its folder.

    Attributes:
        chip: Pattern of a chip's file name; group 1 is the name of the chip.
        label: Pattern of a label's file name; group 1 is the name of the chip.
        description: Both in words, for messages.
        settings: Arguments that `instageo run` needs in addition to tables.
        acquired: Pattern of the acquisition date in a chip's name; groups 1 and 2 are year and day of year.
    """

    chip: re.Pattern[str]
    label: re.Pattern[str]
    description: str
    settings: str
    acquired: re.Pattern[str] | None = None


def _tif(name: str) -> re.Pattern[str]:
    return re.compile(name + r"\.tiff?", re.IGNORECASE)


LAYOUTS = {
    "sen1floods11": DatasetLayout(
        _tif("(.+)_S2Hand"), _tif("(.+)_LabelHand"), "…_S2Hand.tif and …_LabelHand.tif", "--config-name=sen1floods11"
    ),
    "sen1floods11_s1": DatasetLayout(
        _tif("(.+)_S1Hand"), _tif("(.+)_LabelHand"), "…_S1Hand.tif and …_LabelHand.tif",
        "dataloader.sensor=sentinel1_grd",
    ),
    "hls_crops": DatasetLayout(
        _tif(r"(chip_\d+_\d+)_merged"), _tif(r"(chip_\d+_\d+)\.mask"),
        "chip_000_000_merged.tif and chip_000_000.mask.tif", "--config-name=multitemporal_crop_classification",
    ),
    "hls_burn_scars": DatasetLayout(
        _tif(r"(.*HLS\..+)_merged"), _tif(r"(.*HLS\..+)\.mask"),
        "…HLS.S30.T10SDH.2020248.v1.4_merged.tif and ….mask.tif", "--config-name=hls_burn_scars",
        re.compile(r"HLS\.[SL]30\.T\w{5}\.(\d{4})(\d{3})(?!\d)", re.IGNORECASE),
    ),
}  # fmt: skip
"""Layouts by name of the data set."""


@dataclass(frozen=True)
class SkippedFile:
    """A chip or label that is in no table.

    Attributes:
        name: Name of the chip.
        table: Table whose list contains it; empty if none does.
        reason: Why it is in no table.
    """

    name: str
    table: str
    reason: str


@dataclass(frozen=True)
class DatasetTables:
    """Tables made from the folder of a data set.

    Attributes:
        tables: Rows by the table's name, as `write_table` takes them; only tables that have rows.
        skipped: Chips and labels that are in no table.
        notes: Remarks for the user.
    """

    tables: Mapping[str, Rows]
    skipped: tuple[SkippedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return one line: number of rows of each table, and number of skipped chips and labels by reason."""
        counts = ", ".join(f"{name} {len(rows)}" for name, rows in self.tables.items())
        reasons = f": {_count_reasons(self.skipped)}" if self.skipped else ""
        return f"rows: {counts}; skipped {len(self.skipped)}{reasons}"


def find_tables(name: str, folder: Path) -> DatasetTables:
    """Match the chips of a data set with their labels, and assign them to tables.

    The lists of the data set decide which chip is in which table; without lists, folders called training, validation or
    test do; without those, all chips are in one table.

    Args:
        name: A key of `LAYOUTS`.
        folder: Folder that paths of the rows are relative to; files may be at any depth.

    Raises:
        TableError: The layout is unknown, or the folder contains no chip with its label.
    """
    if name not in LAYOUTS:
        raise TableError(f"layout '{name}' is unknown; choose one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder; expected the folder of the data set")
    layout, files = LAYOUTS[name], list_files(folder)
    chips, labels = _group_by_name(files, layout.chip), _group_by_name(files, layout.label)
    first_files = {chip: paths[0] for chip, paths in chips.items()}
    lists = find_lists(files)
    requested = {split: read_names(paths[0]) for split, paths in lists.items()} or split_by_folder(first_files, folder)
    matched, skipped = _match_labels(requested, chips, labels)
    if not any(matched.values()):
        reasons = f"; skipped {_count_reasons(skipped)}" if skipped else ""
        raise TableError(
            f"{folder}: no chip with its label in the layout {name}; expected {layout.description}; "
            f"{_describe_files(files)}{reasons}"
        )
    tables = {
        split: [_row(first_files[chip], labels[chip][0], folder, layout) for chip in names]
        for split, names in matched.items()
    }
    notes = _notes(tables, lists, folder)
    return DatasetTables({split: rows for split, rows in tables.items() if rows}, skipped, notes)


def write_tables(dataset: DatasetTables, folder: Path) -> list[Path]:
    """Write tables and the list of skipped files as CSV; files that exist already must have the same content.

    Raises:
        TableError: A file has other content.
    """
    tables = dict(dataset.tables) | {SKIPPED: [vars(file) for file in dataset.skipped]}
    paths = {folder / f"{name}.csv": rows for name, rows in tables.items() if rows}
    for path, rows in paths.items():
        if path.exists() and _read_rows(path) != rows:
            raise TableError(f"{path}: exists with other content; move it away or choose another folder")
    for path, rows in paths.items():
        write_table(path, rows)
    return list(paths)


def training_command(name: str, folder: Path, tables: Mapping[str, Path]) -> str:
    """Return the `instageo run` command that trains on the tables.

    Without the tables train and val it is the command that computes the statistics of the first table.

    Args:
        name: A key of `LAYOUTS`; with another one, settings are left to the user.
        folder: Folder that paths of the rows are relative to.
        tables: Files by name.
    """
    paths = {table: path.name if path.parent == folder else str(path) for table, path in tables.items()}
    words = ["instageo", "run", *([LAYOUTS[name].settings] if name in LAYOUTS else [])]
    if "train" in paths and "val" in paths:
        words += [f"root_dir={folder}", f"train_filepath={paths['train']}", f"valid_filepath={paths['val']}"]
        words.append(f"hydra.run.dir=runs/{name}")
    else:
        words += ["mode=stats", f"root_dir={folder}", f"train_filepath={next(iter(paths.values()))}"]
    return shlex.join(words)


def list_files(folder: Path) -> list[Path]:
    """Return files below a folder; links are followed, hidden files omitted, and each folder is visited once."""
    files, visited = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real_path = os.path.realpath(parent)
        if real_path in visited:
            folders[:] = []
            continue
        visited.add(real_path)
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(files)


def _group_by_name(files: Sequence[Path], pattern: re.Pattern[str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for file in files:
        if match := pattern.fullmatch(file.name):
            groups.setdefault(match[1], []).append(file)
    return groups


def _match_labels(
    requested: Mapping[str, Sequence[str]], chips: Mapping[str, list[Path]], labels: Mapping[str, list[Path]]
) -> tuple[dict[str, list[str]], tuple[SkippedFile, ...]]:
    """Return names of chips with a label by table, and chips and labels that are in no table with the reason."""
    table_of: dict[str, str] = {}
    matched: dict[str, list[str]] = {table: [] for table in requested}
    skipped = []
    for table, name in ((table, name) for table, names in requested.items() for name in names):
        if name in table_of:
            reason = "listed twice" if table_of[name] == table else f"already in {table_of[name]}"
            skipped.append(SkippedFile(name, table, reason))
        elif name not in chips:
            skipped.append(SkippedFile(name, table, "listed, but the chip is missing"))
        elif name not in labels:
            skipped.append(SkippedFile(name, table, "no label"))
        else:
            matched[table].append(name)
        table_of.setdefault(name, table)
    skipped += [SkippedFile(name, "", "in no list") for name in chips if name not in table_of]
    skipped += [
        SkippedFile(name, "", "label without a chip") for name in labels if name not in table_of and name not in chips
    ]
    duplicates = [name for groups in (chips, labels) for name, paths in groups.items() for _ in paths[1:]]
    skipped += [SkippedFile(name, "", "another file of this name is used") for name in duplicates]
    return matched, tuple(skipped)


def _row(chip: Path, label: Path, folder: Path, layout: DatasetLayout) -> dict[str, str]:
    row = {INPUT: chip.relative_to(folder).as_posix(), LABEL: label.relative_to(folder).as_posix()}
    return row | {DATES: _date_in_name(chip.name, layout.acquired)} if layout.acquired else row


def _date_in_name(name: str, pattern: re.Pattern[str]) -> str:
    """Return the ISO date in a file name; empty if it has none."""
    match = pattern.search(name)
    year, day = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (year and day):
        return ""
    acquired = date(year, 1, 1) + timedelta(days=day - 1)
    return acquired.isoformat() if acquired.year == year else ""


def _notes(tables: Mapping[str, Rows], lists: Mapping[str, list[Path]], folder: Path) -> tuple[str, ...]:
    notes = [f"{split} is taken from {paths[0].relative_to(folder)}" for split, paths in lists.items()]
    notes += [f"{path.relative_to(folder)} is not used" for paths in lists.values() for path in paths[1:]]
    notes += [f"{split} has no row, so no table is written" for split, rows in tables.items() if not rows]
    undated = sum(row.get(DATES) == "" for rows in tables.values() for row in rows)
    if undated:
        notes.append(f"no date in {undated} file names")
    if list(tables) == [ALL]:
        notes.append("no list and no folder separates training from validation; split the table before training")
    return tuple(notes)


def _count_reasons(skipped: Sequence[SkippedFile]) -> dict[str, int]:
    return dict(Counter(file.reason for file in skipped).most_common())


def _describe_files(files: Sequence[Path]) -> str:
    """Return number and endings of files, with an example of each ending."""
    counts = Counter(file.suffix or "no ending" for file in files)
    examples = {file.suffix or "no ending": file.name for file in reversed(files)}
    listed = [f"{count} of {ending} such as {examples[ending]}" for ending, count in counts.most_common(3)]
    return f"found {counted(len(files), 'file')}" + (f": {', '.join(listed)}" if listed else "")


def _read_rows(path: Path) -> Rows:
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        return list(csv.DictReader(file))
