"""How long calls take, measured in turn, so that whatever else the machine does hits all of them alike."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from instageo.progress import track


@dataclass(frozen=True)
class Latency:
    """Seconds of one call, over several.

    Attributes:
        median: Half of the calls took less.
        low: A tenth of the calls took less.
        high: A tenth of the calls took more.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Percentiles of at least one measurement, interpolated linearly."""
        low, median, high = (float(value) for value in np.percentile(seconds, [10, 50, 90]))
        return cls(median, low, high)


def time_in_turn(
    calls: Sequence[Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
    shown_as: str = "timing",
) -> list[list[float]]:
    """Seconds of every call, `rounds` of each; in every round each is called once, and another is the first.

    Args:
        calls: Each waits for what it starts, see `waiting`.
        rounds: At least 1.
        warm_up: Rounds before, which do not count.
        clock: Seconds.
        shown_as: What the progress bar says.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    for number in track(range(-warm_up, rounds), shown_as, warm_up + rounds):
        for step in range(len(calls)):
            turn = (number + step) % len(calls)
            began = clock()
            calls[turn]()
            took = clock() - began
            if number >= 0:
                seconds[turn].append(took)
    return seconds


def waiting(call: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """The call, and a wait until the device has done what it was asked for."""

    def called() -> None:
        call()
        if device.type in ("cuda", "mps"):
            getattr(torch, device.type).synchronize()

    return called
