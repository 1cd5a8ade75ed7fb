"""Group runs that differ only in their seed into rows of a report, and name the rows by what differs between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from instageo.errors import ConfigError
from instageo.model.runs.trained_run import TrainedRun
from instageo.model.settings.fields import Role
from instageo.model.settings.keys import keys_with
from instageo.wording import counted

NAMED_SETTINGS = {
    "model.depth": "depth", "model.embed_dim": "width", "model.head": "head", "model.head_channels": "head width",
}  # fmt: skip
"""Settings that are part of a row's name if rows differ in them, with their words in it."""

SHOWN_ELSEWHERE = (*NAMED_SETTINGS, "model.model_name", "train.distillation", "train.teacher_ckpt_path")
"""Settings that names and roles of rows show."""


def training_identity(run: TrainedRun) -> dict[str, Any]:
    """Return the settings that decide the outcome of a training, except the seed."""
    free = keys_with(Role.free_between_repeats)
    return {key: value for key, value in sorted(run.settings.items()) if key not in free}


def group_by_seed(runs: Sequence[TrainedRun]) -> list[list[TrainedRun]]:
    """Return groups of runs that differ only in their seed, in the order of the first run of each."""
    groups: dict[str, list[TrainedRun]] = {}
    for run in runs:
        groups.setdefault(repr(training_identity(run)), []).append(run)
    return list(groups.values())


def differing_keys(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys whose values are not the same in all of several settings; a missing key counts as null."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if any(each.get(key) != settings[0].get(key) for each in settings)]


def row_names(runs: Sequence[TrainedRun], teacher: int) -> list[str]:
    """Return a different name for each row: its network, and the settings that distinguish it from the others.

    Args:
        runs: One run of each row.
        teacher: Index of the teacher. Whether the teacher was distilled itself is not part of its name.
    """
    differing = differing_keys([run.settings for run in runs])
    names = [_network_name(run, differing) for run in runs]
    students = {number: run for number, run in enumerate(runs) if number != teacher}
    distilled = {run.distilled for run in students.values()}
    ambiguous = {name for name, count in Counter(names).items() if count > 1}
    for number, run in students.items():
        if len(distilled) > 1 or (True in distilled and names[number] in ambiguous):
            names[number] += ", distilled" if run.distilled else ", alone"
    return _make_unique(names, [training_identity(run) for run in runs])


def describe_differences(names: Sequence[str], runs: Sequence[TrainedRun]) -> list[str]:
    """Return a line for each setting in which the trainings of rows differ, with the value of each row.

    Settings that every name or the column of roles shows already are left out.

    Args:
        names: Names of the rows.
        runs: One run of each row.
    """
    settings = [training_identity(run) for run in runs]
    lines = []
    for key in [key for key in differing_keys(settings) if key not in SHOWN_ELSEWHERE]:
        rows: dict[str, list[str]] = {}
        for name, text in zip(names, _short_texts([each.get(key) for each in settings]), strict=True):
            rows.setdefault(text, []).append(name)
        lines.append(f"{key}: " + "; ".join(f"{text} ({' | '.join(owners)})" for text, owners in rows.items()))
    return lines


def check_row_names(names: Sequence[str], automatic: Sequence[str]) -> None:
    """Raise if names from the user do not fit the rows, which have automatic names in the order of the runs.

    Raises:
        ConfigError: There are more or fewer names than rows, or two names are the same.
    """
    if len(names) != len(automatic):
        rows = "; ".join(automatic)
        raise ConfigError(
            f"--names gives {counted(len(names), 'name')}, but the report has {counted(len(automatic), 'row')}: {rows}"
        )
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ConfigError(f"--names gives '{repeated[0]}' to two rows; expected a different name for each")


def _network_name(run: TrainedRun, differing: Sequence[str]) -> str:
    """Return the preset or variant of a network and, without a preset, those of its sizes in which rows differ."""
    settings = run.settings
    network = str(settings["model.size"] or settings["model.model_name"]).removeprefix("prithvi_eo_")
    keys = [] if settings["model.size"] else [key for key in NAMED_SETTINGS if key in differing]
    parts = [f"{NAMED_SETTINGS[key]} {settings[key]}" for key in keys if settings[key] not in (None, -1)]
    return ", ".join([network, *parts])


def _make_unique(names: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return names with differing settings added to equal ones, those with the shortest values first."""
    unique = list(names)
    keys = differing_keys(settings)
    for key in sorted(keys, key=lambda key: max(len(str(each.get(key))) for each in settings)):
        for rows in _equal_names(unique):
            values = [settings[row].get(key) for row in rows]
            if any(value != values[0] for value in values):
                for row, text in zip(rows, _short_texts(values), strict=True):
                    unique[row] += f", {key.rpartition('.')[2]} {text}"
    return unique


def _equal_names(names: Sequence[str]) -> list[list[int]]:
    """Return the indices of each name that occurs more than once."""
    rows: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        rows.setdefault(name, []).append(number)
    return [indices for indices in rows.values() if len(indices) > 1]


def _short_texts(values: Sequence[object]) -> list[str]:
    """Return values as text; paths are shortened to their last part if they still differ then."""
    texts = ["null" if value is None else str(value) for value in values]
    short = [PurePath(text).name or text for text in texts]
    return short if len(set(short)) == len(set(texts)) else texts
