"""Which chips belong to training, validation and test: lists that data sets bring, or the folders chips lie in."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath

from instageo.table import INPUT

ALL = "all"
"""The part of what no list or folder assigns."""

WORDS = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}
"""What parts are called elsewhere, and here."""

CHIP_COLUMN = "chip_id"
"""Column of chips' names in a list with a header; otherwise they stand first in each line."""

_PART = r"(train|training|val|valid|validation|test|testing|bolivia)"
_LIST = re.compile(rf"(?:flood_)?{_PART}(?:_data|_split|_ids)?\.(?:txt|csv)", re.IGNORECASE)
_FOLDER = re.compile(rf"{_PART}(?:_chips|_data|_images)?", re.IGNORECASE)
_ENDING = re.compile(r"(_S[12]Hand|_LabelHand|_merged|\.mask)?(\.tiff?)?$", re.IGNORECASE)


def find_lists(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Lists by part, those to prefer first: of hand-labelled chips, then those that lie nearest."""
    found: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: ("handlabeled" not in str(file).lower(), len(file.parts), file)):
        match = _LIST.fullmatch(file.name)
        if match and INPUT not in _first(file):  # a table of ours is no list
            found.setdefault(_part(match), []).append(file)
    return {part: found[part] for part in sorted(found, key=_order)}


def read_names(file: Path) -> list[str]:
    """Names of chips in a list, without folders and endings, in its order."""
    lines = [line for line in csv.reader(_text(file).splitlines()) if line and any(line)]
    header = [cell.strip() for cell in lines[0]] if lines else []
    column = header.index(CHIP_COLUMN) if CHIP_COLUMN in header else 0
    cells = [line[column] for line in lines[CHIP_COLUMN in header :] if len(line) > column]
    return [_ENDING.sub("", PurePath(cell.strip()).name) for cell in cells]


def split_by_folder(chips: Mapping[str, Path], folder: Path) -> dict[str, Sequence[str]]:
    """Names of chips by the part that a folder above them is called after."""
    found: dict[str, list[str]] = {}
    for name, file in chips.items():
        matches = [_FOLDER.fullmatch(part) for part in file.relative_to(folder).parts[:-1]]
        parts = [_part(match) for match in matches if match]
        found.setdefault(parts[0] if parts else ALL, []).append(name)
    return {part: found[part] for part in sorted(found, key=_order)}


def _part(match: re.Match[str]) -> str:
    return WORDS.get(match[1].lower(), match[1].lower())


def _order(part: str) -> int:
    return ("train", "val", "test", "bolivia", ALL).index(part)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig", errors="replace")


def _first(file: Path) -> list[str]:
    """Cells of the first line."""
    return next(csv.reader(_text(file).splitlines()), [])
