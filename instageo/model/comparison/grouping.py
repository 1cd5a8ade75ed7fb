"""Runs that differ in their seed alone, their mean and their spread."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instageo.model.comparison.runs import TrainedRun
from instageo.model.training.resume import MAY_DIFFER

LEARNT = {"train.num_epochs", "train.early_stopping", "checkpoint_path"}
"""Settings that a resumed run may change, and that all the same change what a run learns."""

EVERY_RUN = {*MAY_DIFFER} - LEARNT | {"seed", "model.size", "dataloader.cache", "dataloader.cache_dir"}
"""Settings in which runs of one row may differ: the seed, where a run takes place, and the name of a size, since the
sizes themselves tell all of it."""


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


def identity(run: TrainedRun) -> dict[str, Any]:
    """The settings that decide what a run learns, but for its seed."""
    return {key: value for key, value in sorted(run.settings.items()) if key not in EVERY_RUN}


def by_seed(runs: Sequence[TrainedRun]) -> list[list[TrainedRun]]:
    """Runs that differ in their seed alone together, in the order of the first of each."""
    groups: dict[str, list[TrainedRun]] = {}
    for run in runs:
        groups.setdefault(repr(identity(run)), []).append(run)
    return list(groups.values())


def differing_keys(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all of several settings; a key that is missing counts as null."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if any(each.get(key) != settings[0].get(key) for each in settings)]
