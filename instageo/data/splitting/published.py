"""Parts as the lists of a data set, or a column of the table, give them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from instageo.data.split_lists import SPLIT_ALIASES, SPLITS, chip_name, find_lists, read_names
from instageo.data.splitting.assignment import DROPPED, Assignment
from instageo.errors import TableError
from instageo.wording import counted

Named = Sequence[tuple[str, str]]


def split_by_lists(inputs: Sequence[str], folder: str | Path) -> Assignment:
    """Assign chips to the parts of published lists, by the names of their files.

    Chips in no list are dropped; of several lists the first counts, in the order train, val, test. Both are noted.

    Args:
        inputs: Path of each chip.
        folder: Folder with lists at any depth, such as `train.txt` or `flood_valid_data.csv`.

    Raises:
        TableError: The folder has no lists, or they name no chip of the table.
    """
    folder = Path(folder)
    lists = find_lists([folder] if folder.is_file() else filter(Path.is_file, folder.rglob("*")))
    if not lists:
        raise TableError(f"{folder}: no lists found; expected files such as train.txt, val.txt or flood_test_data.csv")
    members: dict[str, str] = {}
    twice, listed = set(), 0
    for part, files in lists.items():
        names = read_names(files[0])
        listed += len(set(names))
        twice |= {name for name in names if members.setdefault(name, part) != part}
    matches = {name for name in map(chip_name, inputs) if name in members}
    if not matches:
        raise TableError(f"{folder}: the lists name no chip of the table, whose first is {inputs[0]}")
    result = _assign([members.get(chip_name(name), "") for name in inputs], list(lists), "in no list")
    notes = [f"lists: {', '.join(f'{part} from {files[0]}' for part, files in lists.items())}"]
    if twice:
        notes.append(
            f"{counted(len(twice), 'chip', 'are')} in several lists; the first counts: {', '.join(sorted(twice)[:3])}"
        )
    if len(members) > len(matches):
        notes.append(f"{len(members) - len(matches)} of {len(members)} chips in lists are not in the table")
    return result.with_notes(*notes)


def split_by_column(values: Sequence[str], column: str) -> Assignment:
    """Assign rows to the parts that a column names; rows without a value are dropped."""
    names = [SPLIT_ALIASES.get(value.lower(), value.lower()) for value in values]
    if not any(names):
        raise TableError(f"the column '{column}' has no value; expected names of parts, such as train, val and test")
    standard = [part for part in SPLITS if part in names]
    return _assign(names, [*standard, *sorted(set(names) - {"", *standard})], f"no value in column {column}")


def _assign(names: Sequence[str], parts: Sequence[str], reason: str) -> Assignment:
    numbers = {name: number for number, name in enumerate(parts)}
    part = np.array([numbers.get(name, DROPPED) for name in names], dtype=np.intp)
    rows = np.flatnonzero(part == DROPPED).tolist()
    return Assignment(tuple(parts), part, dict.fromkeys(rows, reason))
