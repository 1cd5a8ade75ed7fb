"""Context of a run: its settings and folder, and what commands record for `run.json`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instageo.model.settings import Settings


@dataclass
class RunInfo:
    """Facts on a run in plain types, filled in by commands as they become available.

    Attributes:
        folder: Folder of `run.json`; None for the run's own folder.
        resumed: Whether the run continues in `folder` what another process started there.
        configuration: Resolved settings, nested; empty until they are resolved.
        tables: Summary of each table that was checked, by the name of its setting.
        network: Parameters and arithmetic of the network.
        work: Work done: chips and seconds, epochs of training.
        scores: Scores of the best epoch on the validation table, or of the table that was scored.
        trackers: Identity of the run at each tracker (MLflow, Weights & Biases).
        monitor: Name of the score that the command returns, and `max` or `min` for its better end; None without one.
        save: Writes `run.json` with everything recorded so far; set by the recorder.
    """

    folder: Path | None = None
    resumed: bool = False
    configuration: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    trackers: dict[str, Any] = field(default_factory=dict)
    monitor: tuple[str, str] | None = None
    save: Callable[[], None] = lambda: None

    @contextmanager
    def working_on(self, chips: int) -> Iterator[None]:
        """Record how long the work on a number of chips takes, if the block ends without an error."""
        began = time.perf_counter()
        yield
        self.work = throughput(chips, time.perf_counter() - began)


def throughput(chips: int, seconds: float) -> dict[str, Any]:
    """Return the chips, the seconds they took, and chips per second."""
    rate = round(chips / seconds, 3) if seconds > 0 else None
    return {"chips": chips, "seconds": round(seconds, 3), "chips_per_second": rate}


@dataclass(frozen=True)
class Sweep:
    """The sweep (`-m`) that a run is a job of.

    Attributes:
        job: Number of the job, from 0, with the settings that differ between jobs.
        direction: What the sweeper does with the scores: `maximize`, `minimize`, or None if it ignores them.
    """

    job: str
    direction: str | None = None


@dataclass(frozen=True)
class Run:
    """One run of a mode.

    Attributes:
        settings: Checked settings.
        folder: Folder for the run's files.
        explicit: Keys that the user set; they may not contradict a checkpoint.
        sweep: The sweep that the run belongs to; None without one.
        info: Facts that the command records for `run.json`.
    """

    settings: Settings
    folder: Path
    explicit: frozenset[str] = frozenset()
    sweep: Sweep | None = None
    info: RunInfo = field(default_factory=RunInfo)
