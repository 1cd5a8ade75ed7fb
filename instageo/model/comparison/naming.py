"""Names of rows, made of what differs between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from instageo.errors import ConfigError
from instageo.model.comparison.grouping import differing_keys, identity
from instageo.model.comparison.runs import TrainedRun

PARTS = {
    "model.depth": "depth", "model.width": "width", "model.head": "head", "model.head_width": "head width",
}  # fmt: skip
"""Settings that are part of a name where rows differ in them, and what they are called there."""


def row_names(runs: Sequence[TrainedRun], teacher: int) -> list[str]:
    """A different name for each row: its network and what else it takes to tell it from the others.

    Args:
        runs: One of each row.
        teacher: Which of them is the teacher; whether it was distilled is no part of a name.
    """
    parted = set(differing_keys([run.settings for run in runs]))
    networks = [_network(run, parted) for run in runs]
    students = {number: run for number, run in enumerate(runs) if number != teacher}
    both = len({run.distilled for run in students.values()}) > 1
    names = list(networks)
    for number, run in students.items():
        if both or networks.count(networks[number]) > 1:
            names[number] += ", distilled" if run.distilled else ", alone"
    return _told_apart(names, [identity(run) for run in runs])


def given_names(names: Sequence[str], automatic: Sequence[str]) -> list[str]:
    """Names as the user gives them, one per row in the order of the runs.

    Raises:
        ConfigError: There are more or fewer than rows, or two are the same.
    """
    if len(names) != len(automatic):
        rows = "; ".join(automatic)
        raise ConfigError(f"--names gives {len(names)} names, but there are {len(automatic)} rows: {rows}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigError(f"--names gives '{twice[0]}' to two rows; expected a different name for each")
    return list(names)


def _network(run: TrainedRun, parted: set[str]) -> str:
    """Its size or variant, and what else of its sizes is in `parted`, the keys in which rows differ."""
    settings = run.settings
    network = str(settings["model.size"] or settings["model.model_name"]).removeprefix("prithvi_eo_")
    sizes = {} if settings["model.size"] else {PARTS[key]: settings[key] for key in PARTS if key in parted}
    return ", ".join([network, *(f"{part} {value}" for part, value in sizes.items() if value not in (None, -1))])


def _told_apart(names: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names with further settings added to those that are the same, the shortest first, until none is."""
    told = list(names)
    keys = differing_keys(settings)
    for key in sorted(keys, key=lambda key: max(len(str(each.get(key))) for each in settings)):
        for rows in _same(told):
            values = [settings[row].get(key) for row in rows]
            if any(value != values[0] for value in values):
                for row, text in zip(rows, _texts(values), strict=True):
                    told[row] += f", {key.rpartition('.')[2]} {text}"
    return told


def _same(names: Sequence[str]) -> list[list[int]]:
    """Positions of each name that is there more than once."""
    rows: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        rows.setdefault(name, []).append(number)
    return [positions for positions in rows.values() if len(positions) > 1]


def _texts(values: Sequence[object]) -> list[str]:
    """Values as text; of paths the last part, if that tells them apart as well."""
    whole = [str(value) for value in values]
    short = [PurePath(text).name or text for text in whole]
    return short if len(set(short)) == len(set(whole)) else whole
