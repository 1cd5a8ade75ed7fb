"""Names of rows, made of what differs between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from instageo.model.settings.roles import EVERY_RUN
from instageo.errors import ConfigError
from instageo.model.runs.trained_run import TrainedRun
import statistics
from dataclasses import dataclass
from instageo.model.settings.roles import FREE_ON_RESUME



PARTS = {
    "model.depth": "depth", "model.embed_dim": "width", "model.head": "head", "model.head_channels": "head width",
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
    return _told_apart(names, [training_identity(run) for run in runs])


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


@dataclass(frozen=True)
class Spread:
    """A number over several runs.

    Attributes:
        mean: Over the runs.
        std: Standard deviation of a sample (divided by one less than the runs); None of a single run.
        values: Of each run.
    """

    mean: float
    std: float | None
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Spread | None":
        """Of one value per run; None if any has none."""
        known = tuple(value for value in values if value is not None)
        if len(known) < len(values) or not known:
            return None
        return cls(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, known)


def training_identity(run: TrainedRun) -> dict[str, Any]:
    """The settings that decide what a run learns, but for its seed."""
    return {key: value for key, value in sorted(run.settings.items()) if key not in EVERY_RUN}


def group_by_seed(runs: Sequence[TrainedRun]) -> list[list[TrainedRun]]:
    """Runs that differ in their seed alone together, in the order of the first of each."""
    groups: dict[str, list[TrainedRun]] = {}
    for run in runs:
        groups.setdefault(repr(training_identity(run)), []).append(run)
    return list(groups.values())


def differing_keys(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all of several settings; a key that is missing counts as null."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if any(each.get(key) != settings[0].get(key) for each in settings)]
