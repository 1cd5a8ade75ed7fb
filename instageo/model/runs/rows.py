"""What a report says of each network: one row per group of runs that differ in their seed alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from instageo.errors import ConfigError
from instageo.model.runs.grouping import Spread
from instageo.model.runs.trained_run import Scores, TrainedRun, is_at
from instageo.model.runs.speed import NetworkSpeed

TEACHER, DISTILLED, ALONE = "teacher", "distilled", "alone"


@dataclass(frozen=True)
class PrimaryMetrics:
    """The scores that are compared.

    Attributes:
        names: The main one first.
        better: Whether the highest or the lowest main score is best.
    """

    names: tuple[str, ...]
    better: Literal["min", "max"]

    @property
    def main(self) -> str:
        """The one that the figure shows."""
        return self.names[0]


@dataclass(frozen=True)
class ReportRow:
    """One network.

    Attributes:
        name: Its own.
        role: `teacher`, or how a student was trained: `distilled` or `alone`.
        runs: Folders or checkpoints of the runs, one per seed.
        seeds: Theirs; None where unknown.
        parameters: Of the network, head included.
        chip: Bands, dates, height and width of the chips that are counted and timed.
        flops: Floating-point operations of a forward pass of one chip.
        flops_ratio: Those over the teacher's.
        speed: On this machine.
        file_bytes: Size of the first run's checkpoint as it lies.
        weight_bytes: Of that, tensors of the network.
        training: `energy_kwh`, `co2_kg` and `wall_seconds` of a training; None where a run does not tell.
        scores: By name; None where a run has none.
        differences: Mean scores less the teacher's; None where one of both has none.
    """

    name: str
    role: str
    runs: tuple[str, ...]
    seeds: tuple[int | None, ...]
    parameters: int
    chip: tuple[int, ...]
    flops: int
    flops_ratio: float
    speed: NetworkSpeed
    file_bytes: int
    weight_bytes: int
    training: Mapping[str, Spread | None]
    scores: Mapping[str, Spread | None]
    differences: Mapping[str, float | None]


@dataclass(frozen=True)
class NetworkMeasurements:
    """What was found out on the network of a row.

    Attributes:
        chip: See `Row`.
        account: `parameters` and `forward_flops`, as `run.json` has them.
        speed: See `Row`.
    """

    chip: tuple[int, ...]
    account: Mapping[str, Any]
    speed: NetworkSpeed


def find_teacher(groups: Sequence[Sequence[TrainedRun]], flops: Sequence[int], named: str | None) -> int:
    """Which group is the teacher: the one named; else the one that others learnt from; else the costliest."""
    for number, group in enumerate(groups):
        if any(is_at(run, named) for run in group):
            return number
    taught_by = [run.settings["train.teacher_ckpt_path"] for group in groups for run in group if run.distilled]
    for number, group in enumerate(groups):
        if any(is_at(run, path) for run in group for path in taught_by):
            return number
    return max(range(len(groups)), key=lambda number: (flops[number], not groups[number][0].distilled))


def score_spreads(runs: Sequence[TrainedRun], scores: Sequence[Scores], headline: PrimaryMetrics) -> dict[str, Spread | None]:
    """The headline scores of the runs of one row.

    Raises:
        ConfigError: A run's scores lack one of them.
    """
    for run, found in zip(runs, scores, strict=True):
        for name in headline.names:
            if name not in found:
                raise ConfigError(f"{run.name}: its scores have no {name}; score it anew with --table")
    return {name: Spread.of([found[name] for found in scores]) for name in headline.names}


def build_rows(
    groups: Sequence[Sequence[TrainedRun]],
    names: Sequence[str],
    networks: Sequence[NetworkMeasurements],
    scores: Sequence[Mapping[str, Spread | None]],
    teacher: int,
) -> list[ReportRow]:
    """Rows, the teacher first, then the students by falling operations.

    Args:
        groups: Runs that differ in their seed alone.
        names: One per group.
        networks: One per group.
        scores: Of each group, see `spreads_of`.
        teacher: Which group is the teacher.
    """
    rows = [_row(*parts) for parts in zip(names, groups, networks, scores, strict=True)]
    chosen = rows[teacher]
    compared = [
        replace(
            row,
            role=TEACHER if row is chosen else row.role,
            flops_ratio=row.flops / chosen.flops,
            differences={key: _less(row.scores[key], chosen.scores[key]) for key in chosen.scores},
        )
        for row in rows
    ]
    return sorted(compared, key=lambda row: (row.role != TEACHER, -row.flops, row.role == ALONE))


def _row(name: str, group: Sequence[TrainedRun], network: NetworkMeasurements, scores: Mapping[str, Spread | None]) -> ReportRow:
    """A row by itself, not yet compared with the teacher."""
    first = group[0]
    return ReportRow(
        name=name,
        role=DISTILLED if first.distilled else ALONE,
        runs=tuple(run.name for run in group),
        seeds=tuple(run.seed for run in group),
        parameters=network.account["parameters"],
        chip=network.chip,
        flops=network.account["forward_flops"],
        flops_ratio=1.0,
        speed=network.speed,
        file_bytes=first.file_bytes,
        weight_bytes=first.weight_bytes,
        training={key: Spread.of([run.training.get(key) for run in group]) for key in TRAINING},
        scores=scores,
        differences={},
    )


TRAINING = ("energy_kwh", "co2_kg", "wall_seconds")
"""What is told of a training, by its name in `run.json`."""


def _less(mine: Spread | None, theirs: Spread | None) -> float | None:
    return None if mine is None or theirs is None else mine.mean - theirs.mean
