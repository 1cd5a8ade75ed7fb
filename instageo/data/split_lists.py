"""Assign chips to training, validation and test by the lists of a data set, or by the folders that contain them."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from instageo.table import INPUT

ALL = "all"
"""Split of chips that no list or folder assigns."""

SPLITS = ("train", "val", "test", "bolivia", ALL)
"""Splits in the order of the result."""

SPLIT_ALIASES = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
"""Names of splits in data sets, and ours."""

CHIP_COLUMN = "chip_id"
"""Column with the names of chips in a list with a header, unless it has `Input`; in other lists the name is first on
each line."""

_SPLIT = r"(train|training|val|valid|validation|test|testing|bolivia)"
_LIST = re.compile(rf"(?:flood_)?{_SPLIT}(?:_data|_split|_ids)?\.(?:txt|csv)", re.IGNORECASE)
_FOLDER = re.compile(rf"{_SPLIT}(?:_chips|_data|_images)?", re.IGNORECASE)
_ENDING = re.compile(r"(_S[12]Hand|_LabelHand|_merged|\.mask)?(\.tiff?)?$", re.IGNORECASE)


def find_lists(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Return list files by split, the preferred one first: lists of hand-labelled chips, then those least deep."""
    lists: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: ("handlabeled" not in str(file).lower(), len(file.parts), file)):
        match = _LIST.fullmatch(file.name)
        is_ours = file.name == f"{match and _split_name(match)}.csv" and INPUT in next(
            csv.reader(_read_lines(file)), []
        )
        if match and not is_ours:
            lists.setdefault(_split_name(match), []).append(file)
    return {split: lists[split] for split in SPLITS if split in lists}


def read_names(file: Path) -> list[str]:
    """Read the names of chips from a list, without folders and endings, in its order."""
    lines = [line for line in csv.reader(_read_lines(file)) if any(line)]
    header = [cell.strip() for cell in lines[0]] if lines else []
    named = next((name for name in (CHIP_COLUMN, INPUT) if name in header), None)
    column = header.index(named) if named else 0
    cells = [line[column] for line in lines[named is not None :] if len(line) > column]
    return [chip_name(cell.strip()) for cell in cells]


def chip_name(path: str) -> str:
    """Return the name of a chip as lists write it: without folder and ending."""
    return _ENDING.sub("", PurePath(path).name)


def split_by_folder(chips: Mapping[str, Path], folder: Path) -> dict[str, Sequence[str]]:
    """Return names of chips by split; the split is the topmost folder on the chip's path that is named after one.

    Args:
        chips: File of each chip by name.
        folder: Only folders below this one count.
    """
    names: dict[str, list[str]] = {}
    for name, file in chips.items():
        matches = [_FOLDER.fullmatch(part) for part in file.relative_to(folder).parts[:-1]]
        splits = [_split_name(match) for match in matches if match]
        names.setdefault(splits[0] if splits else ALL, []).append(name)
    return {split: names[split] for split in SPLITS if split in names}


def _split_name(match: re.Match[str]) -> str:
    return SPLIT_ALIASES.get(match[1].lower(), match[1].lower())


def _read_lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
