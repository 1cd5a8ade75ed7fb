"""What a run notes of itself on the way, for the accounts that `run.json` gives of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instageo.model.settings import Settings


@dataclass
class RunInfo:
    """Plain types, filled in by commands as they come to know them.

    Attributes:
        folder: Where `run.json` goes; None for the run's own folder.
        resumed: Whether the run goes on in `folder` with what another process began there.
        configuration: Settings as they came to be, nested; empty while they are those asked for.
        tables: Facts on each table that was checked, by the name of its setting.
        network: Its parameters and arithmetic.
        work: What was done: chips and seconds, epochs of training.
        scores: Of the best epoch on the validation table, or of the table that was scored.
        trackers: Identity of the run at each tracker (MLflow, Weights & Biases) it is told to.
        keep: Writes down what is noted so far; set by who gives the accounts.
    """

    folder: Path | None = None
    resumed: bool = False
    configuration: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    trackers: dict[str, Any] = field(default_factory=dict)
    keep: Callable[[], None] = lambda: None

    @contextmanager
    def working_on(self, chips: int) -> Iterator[None]:
        """Note how long the work on so many chips takes, if it comes to its end."""
        began = time.perf_counter()
        yield
        self.work = throughput(chips, time.perf_counter() - began)


def throughput(chips: int, seconds: float) -> dict[str, Any]:
    """Chips, the seconds they took, and chips per second."""
    rate = round(chips / seconds, 3) if seconds > 0 else None
    return {"chips": chips, "seconds": round(seconds, 3), "chips_per_second": rate}


@dataclass(frozen=True)
class Sweep:
    """The sweep (`-m`) that a run is a job of.

    Attributes:
        job: The job's number, from 0, with the settings that are its own.
        direction: What the sweeper does with the runs' scores: `maximize`, `minimize`, or None if it looks at none.
    """

    job: str
    direction: str | None = None


@dataclass(frozen=True)
class Run:
    """One run of a mode.

    Attributes:
        settings: Checked settings.
        folder: Where its files go.
        explicit: Keys that the user set; they may not contradict a checkpoint.
        sweep: The sweep it is part of; None for a run alone.
        info: What the command finds and does, for `run.json`.
    """

    settings: Settings
    folder: Path
    explicit: frozenset[str] = frozenset()
    sweep: Sweep | None = None
    info: RunInfo = field(default_factory=RunInfo)
