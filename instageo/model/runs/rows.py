"""Rows of a report: one per group of runs that differ only in their seed."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from instageo.errors import ConfigError
from instageo.model.runs.speed import NetworkSpeed
from instageo.model.runs.trained_run import Scores, TrainedRun, is_at

TEACHER, DISTILLED, ALONE = "teacher", "distilled", "alone"
"""Roles of rows."""

TRAINING_TOTALS = ("energy_kwh", "co2_kg", "wall_seconds")
"""Totals of a training that are reported, by their names in `run.json`."""


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
        """The score shown in the figure."""
        return self.names[0]


@dataclass(frozen=True)
class Spread:
    """A number over several runs.

    Attributes:
        mean: Mean over the runs.
        std: Sample standard deviation (divided by the number of runs minus one); None for a single run.
        values: The number of each run.
    """

    mean: float
    std: float | None
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Spread | None":
        """Return mean and deviation of one value per run; None if a run has none."""
        numbers = tuple(value for value in values if value is not None)
        if len(numbers) < len(values) or not numbers:
            return None
        return cls(statistics.fmean(numbers), statistics.stdev(numbers) if len(numbers) > 1 else None, numbers)


@dataclass(frozen=True)
class NetworkMeasurements:
    """Size and speed of the network of a row.

    Attributes:
        chip: Bands, dates, height and width of the chips that are counted and timed.
        summary: `parameters` and `forward_flops`, as in `run.json`.
        speed: Latency and throughput on this machine.
    """

    chip: tuple[int, ...]
    summary: Mapping[str, Any]
    speed: NetworkSpeed


@dataclass(frozen=True)
class ReportRow:
    """One network of a report.

    Attributes:
        name: A name that no other row has.
        role: `teacher`, or how a student was trained: `distilled` or `alone`.
        runs: Folders or checkpoints of the runs, one per seed.
        seeds: Seeds of the runs; None if unknown.
        parameters: Parameters of the network, head included.
        chip: Bands, dates, height and width of the chips that are counted and timed.
        flops: Floating-point operations of a forward pass of one chip.
        flops_ratio: `flops` divided by the teacher's.
        speed: Latency and throughput on this machine.
        file_bytes: Size of the first run's checkpoint file.
        weight_bytes: Size of the network's tensors in it.
        training: `energy_kwh`, `co2_kg` and `wall_seconds` of a training; None unless all runs have them.
        scores: Scores by name; None unless all runs have them.
        differences: Mean scores minus the teacher's; None if one of them is missing.
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


def find_teacher(groups: Sequence[Sequence[TrainedRun]], flops: Sequence[int], source: str | None) -> int:
    """Return the index of the teacher's group.

    It is the group that contains `source`, a folder or checkpoint; else one that other runs were distilled from; else
    the one with the most operations.
    """
    for number, group in enumerate(groups):
        if any(is_at(run, source) for run in group):
            return number
    teachers = [run.settings["train.teacher_ckpt_path"] for group in groups for run in group if run.distilled]
    for number, group in enumerate(groups):
        if any(is_at(run, path) for run in group for path in teachers):
            return number
    return max(range(len(groups)), key=lambda number: (flops[number], not groups[number][0].distilled))


def score_spreads(
    runs: Sequence[TrainedRun], scores: Sequence[Scores], metrics: PrimaryMetrics
) -> dict[str, Spread | None]:
    """Return the primary metrics over the runs of one row.

    Raises:
        ConfigError: The scores of a run lack one of them.
    """
    for run, values in zip(runs, scores, strict=True):
        for name in metrics.names:
            if name not in values:
                raise ConfigError(f"{run.name}: its scores have no {name}; score it again with --table")
    return {name: Spread.of([values[name] for values in scores]) for name in metrics.names}


def build_rows(
    groups: Sequence[Sequence[TrainedRun]],
    names: Sequence[str],
    networks: Sequence[NetworkMeasurements],
    scores: Sequence[Mapping[str, Spread | None]],
    teacher: int,
) -> list[ReportRow]:
    """Build the rows: the teacher first, then the students from the most to the fewest operations.

    Args:
        groups: Runs that differ only in their seed.
        names: One per group.
        networks: One per group.
        scores: One per group, see `score_spreads`.
        teacher: Index of the teacher's group.
    """
    rows = [_row(*parts) for parts in zip(names, groups, networks, scores, strict=True)]
    teacher_row = rows[teacher]
    compared = [
        replace(
            row,
            role=TEACHER if row is teacher_row else row.role,
            flops_ratio=row.flops / teacher_row.flops,
            differences={key: _difference(row.scores[key], teacher_row.scores[key]) for key in teacher_row.scores},
        )
        for row in rows
    ]
    return sorted(compared, key=lambda row: (row.role != TEACHER, -row.flops, row.role == ALONE))


def _row(
    name: str, group: Sequence[TrainedRun], network: NetworkMeasurements, scores: Mapping[str, Spread | None]
) -> ReportRow:
    """Build a row that is not yet compared with the teacher."""
    first = group[0]
    return ReportRow(
        name=name,
        role=DISTILLED if first.distilled else ALONE,
        runs=tuple(run.name for run in group),
        seeds=tuple(run.seed for run in group),
        parameters=network.summary["parameters"],
        chip=network.chip,
        flops=network.summary["forward_flops"],
        flops_ratio=1.0,
        speed=network.speed,
        file_bytes=first.file_bytes,
        weight_bytes=first.weight_bytes,
        training={key: Spread.of([run.training_total.get(key) for run in group]) for key in TRAINING_TOTALS},
        scores=scores,
        differences={},
    )


def _difference(spread: Spread | None, reference: Spread | None) -> float | None:
    return None if spread is None or reference is None else spread.mean - reference.mean
