"""Tables of public data sets, made from how their files are named and listed."""

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

SKIPPED = "skipped"
"""The table of what is in no other."""

Rows = list[dict[str, str]]


@dataclass(frozen=True)
class DatasetLayout:
    """How a data set names its files, which may lie anywhere below its folder.

    Attributes:
        chip: Pattern of a chip's file name; its group 1 is the chip's name.
        label: The same for its label.
        looks_for: Both in words, for messages.
        settings: What `instageo run` needs besides tables.
        day: Pattern that finds in a chip's name when it was seen; groups 1 and 2 are year and day of year.
    """

    chip: re.Pattern[str]
    label: re.Pattern[str]
    looks_for: str
    settings: str
    day: re.Pattern[str] | None = None


def _tif(name: str) -> re.Pattern[str]:
    return re.compile(name + r"\.tiff?", re.IGNORECASE)


LAYOUTS = {
    "sen1floods11": DatasetLayout(
        _tif("(.+)_S2Hand"), _tif("(.+)_LabelHand"), "…_S2Hand.tif and …_LabelHand.tif", "--config-name=sen1floods11"
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
"""Data sets by name."""


@dataclass(frozen=True)
class SkippedFile:
    """A chip or label that is in no table, and why; `table` is the one whose list asked for it, if any."""

    name: str
    table: str
    reason: str


@dataclass(frozen=True)
class DatasetTables:
    """What became of a folder.

    Attributes:
        tables: Rows by the table's name, as `write_table` takes them; only tables that have rows.
        skipped: What is in none.
        notes: What a user should know besides.
    """

    tables: Mapping[str, Rows]
    skipped: tuple[SkippedFile, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """One line: rows of each table, and how many chips and labels were skipped for which reasons."""
        kept = ", ".join(f"{name} {len(rows)}" for name, rows in self.tables.items())
        return f"rows: {kept}; skipped {len(self.skipped)}" + (f": {_reasons(self.skipped)}" if self.skipped else "")


def find_tables(name: str, folder: Path) -> DatasetTables:
    """Rows of a data set's tables: by its lists, else by folders called training, validation or test, else all in one.

    Args:
        name: A key of `LAYOUTS`.
        folder: What rows are relative to; files lie there at any depth.

    Raises:
        TableError: The layout is unknown, or no pair of chip and label of it is there.
    """
    if name not in LAYOUTS:
        raise TableError(f"layout '{name}' is not known; expected one of {', '.join(LAYOUTS)}")
    if not folder.is_dir():
        raise TableError(f"{folder}: no such folder; expected the one that the data set lies in")
    layout, files = LAYOUTS[name], _files(folder)
    chips, labels = _by_name(files, layout.chip), _by_name(files, layout.label)
    first = {chip: found[0] for chip, found in chips.items()}
    lists = find_lists(files)
    wanted = {part: read_names(found[0]) for part, found in lists.items()} or split_by_folder(first, folder)
    taken, skipped = _sort_out(wanted, chips, labels)
    if not any(taken.values()):
        left_out = f"; left out: {_reasons(skipped)}" if skipped else ""
        raise TableError(
            f"{folder}: nothing of the layout {name} that fits together; looked for {layout.looks_for}; "
            f"{_found(files)}{left_out}"
        )
    tables = {
        part: [_row(first[chip], labels[chip][0], folder, layout) for chip in names] for part, names in taken.items()
    }
    return DatasetTables({part: rows for part, rows in tables.items() if rows}, skipped, _notes(tables, lists, folder))


def _files(folder: Path) -> list[Path]:
    """Files below a folder, links followed, hidden ones left out, each folder once."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [part for part in folders if not part.startswith(".")]
        found += [] if real in seen else [Path(place, part) for part in names if not part.startswith(".")]
        seen.add(real)
    return sorted(found)


def _by_name(files: Sequence[Path], pattern: re.Pattern[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in files:
        if match := pattern.fullmatch(file.name):
            found.setdefault(match[1], []).append(file)
    return found


def _sort_out(
    wanted: Mapping[str, Sequence[str]], chips: Mapping[str, list[Path]], labels: Mapping[str, list[Path]]
) -> tuple[dict[str, list[str]], tuple[SkippedFile, ...]]:
    """Names of chips by table, and what is in none, each with its reason."""
    home: dict[str, str] = {}
    taken: dict[str, list[str]] = {part: [] for part in wanted}
    skipped = []
    for part, name in ((part, name) for part, names in wanted.items() for name in names):
        if name in home:
            skipped.append(
                SkippedFile(name, part, "listed twice" if home[name] == part else f"already in {home[name]}")
            )
        elif name not in chips:
            skipped.append(SkippedFile(name, part, "listed, but no such chip is here"))
        elif name not in labels:
            skipped.append(SkippedFile(name, part, "no label"))
        else:
            taken[part].append(name)
        home.setdefault(name, part)
    skipped += [SkippedFile(name, "", "in no list") for name in chips if name not in home]
    skipped += [
        SkippedFile(name, "", "label without a chip") for name in labels if name not in home and name not in chips
    ]
    doubles = [name for files in (chips, labels) for name, found in files.items() for _ in found[1:]]
    return taken, (*skipped, *(SkippedFile(name, "", "another file of this name comes first") for name in doubles))


def _row(chip: Path, label: Path, folder: Path, layout: DatasetLayout) -> dict[str, str]:
    row = {INPUT: chip.relative_to(folder).as_posix(), LABEL: label.relative_to(folder).as_posix()}
    return row | {DATES: _day(chip.name, layout.day)} if layout.day else row


def _day(name: str, pattern: re.Pattern[str]) -> str:
    """The ISO date that a name tells; empty if it tells none."""
    match = pattern.search(name)
    year, day = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (year and day):
        return ""
    found = date(year, 1, 1) + timedelta(days=day - 1)
    return found.isoformat() if found.year == year else ""


def _notes(tables: Mapping[str, Rows], lists: Mapping[str, list[Path]], folder: Path) -> tuple[str, ...]:
    used = [f"{part} is as listed in {found[0].relative_to(folder)}" for part, found in lists.items()]
    unused = [f"{file.relative_to(folder)} is not used" for found in lists.values() for file in found[1:]]
    empty = [f"{part} has no row, so no table is written" for part, rows in tables.items() if not rows]
    undated = sum(row.get(DATES) == "" for rows in tables.values() for row in rows)
    alone = ["no list and no folder tells training from validation: split the table before training"]
    return (
        *used, *unused, *empty,
        *([f"{undated} names tell no date"] if undated else []),
        *(alone if list(tables) == [ALL] else []),
    )  # fmt: skip


def _reasons(skipped: Sequence[SkippedFile]) -> dict[str, int]:
    return dict(Counter(part.reason for part in skipped).most_common())


def _found(files: Sequence[Path]) -> str:
    """Number and kinds of files, with an example of each kind."""
    kinds = Counter(file.suffix or "no ending" for file in files)
    example = {file.suffix or "no ending": file.name for file in reversed(files)}
    shown = [f"{count} of {kind} such as {example[kind]}" for kind, count in kinds.most_common(3)]
    return f"found {len(files)} files" + (f": {', '.join(shown)}" if shown else "")


def write_tables(arrangement: DatasetTables, folder: Path) -> list[Path]:
    """Write tables, and what was skipped, as CSV files; those that exist already must hold the same.

    Raises:
        TableError: A file holds something else.
    """
    tables = dict(arrangement.tables) | {SKIPPED: [vars(part) for part in arrangement.skipped]}
    paths = {folder / f"{name}.csv": rows for name, rows in tables.items() if rows}
    for path, rows in paths.items():
        if path.exists() and _rows_of(path) != rows:
            raise TableError(f"{path}: exists and holds something else; move it away or choose another folder")
    for path, rows in paths.items():
        write_table(path, rows)
    return list(paths)


def _rows_of(path: Path) -> Rows:
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        return list(csv.DictReader(file))


def training_command(name: str, folder: Path, tables: Mapping[str, Path]) -> str:
    """The `instageo run` command that trains on the tables, or, without train and val, counts the first one.

    Args:
        name: A key of `LAYOUTS`.
        folder: What rows are relative to.
        tables: Files by name.
    """
    near = {part: path.name if path.parent == folder else str(path) for part, path in tables.items()}
    which = {"train_filepath": near.get("train"), "valid_filepath": near.get("val")}
    ready = all(which.values())
    chosen = which | {"hydra.run.dir": f"runs/{name}"} if ready else {"train_filepath": next(iter(near.values()))}
    words = [LAYOUTS[name].settings, *([] if ready else ["mode=stats"]), f"root_dir={folder}"]
    return shlex.join(["instageo", "run", *words, *(f"{key}={value}" for key, value in chosen.items())])
