"""How fast networks are on this machine, side by side."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
import torch
from torch import Tensor
from instageo.model.tracking.environment import cpu_name
from instageo.model.settings.resolve import band_names
from instageo.model.inference.predictor import Predictor
import time
import numpy as np
from instageo.progress import track



WARM_UP = 2


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


@dataclass(frozen=True)
class NetworkSpeed:
    """Of one network.

    Attributes:
        latency: Seconds of a forward pass of one chip.
        chips_per_second: In batches, by the median batch.
    """

    latency: Latency
    chips_per_second: float


def chip_shape(predictor: Predictor) -> tuple[int, int, int, int]:
    """Bands, dates, height and width of a chip as the network was trained on."""
    data = predictor.settings.dataloader
    return len(band_names(predictor.settings)), data.temporal_dim, data.img_size, data.img_size


def measure_speed(predictors: Sequence[Predictor], *, rounds: int, batch_size: int) -> list[NetworkSpeed]:
    """Time networks in turn: single chips, then batches, of which a quarter as many.

    Timed are forward passes of the network alone, of chips that are decoded and normalised, with time and place where
    the network takes them; two rounds before do not count.

    Args:
        predictors: All on one device.
        rounds: Single chips timed per network.
        batch_size: Chips in a batch.
    """
    singles = _seconds(predictors, rounds, 1, "timing single chips")
    batches = _seconds(predictors, batch_rounds(rounds), batch_size, "timing batches")
    return [
        NetworkSpeed(Latency.of(single), batch_size / Latency.of(batch).median)
        for single, batch in zip(singles, batches, strict=True)
    ]


def batch_rounds(rounds: int) -> int:
    """Batches that are timed per network, beside so many single chips."""
    return -(-rounds // 4)


def describe_device(device: torch.device) -> dict[str, Any]:
    """On what networks are timed."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "cpu": cpu_name(),
        "cpu_cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "gpu": gpu,
        "torch": str(torch.__version__),
        "platform": platform.platform(),
    }


def _seconds(predictors: Sequence[Predictor], rounds: int, batch_size: int, what: str) -> list[list[float]]:
    calls = [synchronized(_forward(predictor, batch_size), predictor.device) for predictor in predictors]
    with torch.inference_mode():
        return time_alternating(calls, rounds, warm_up=WARM_UP, shown_as=what)


def _forward(predictor: Predictor, batch_size: int) -> Callable[[], Tensor]:
    """A forward pass of chips whose values do not matter."""
    shape, device = chip_shape(predictor), predictor.device
    image = torch.ones(batch_size, *shape, device=device)
    time = torch.tensor([2020.0, 180.0], device=device).expand(batch_size, shape[1], 2)
    place = torch.tensor([0.0, 0.0], device=device).expand(batch_size, 2)
    return partial(predictor.net, image, time, place)


def time_alternating(
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


def synchronized(call: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """The call, and a wait until the device has done what it was asked for."""

    def called() -> None:
        call()
        if device.type in ("cuda", "mps"):
            getattr(torch, device.type).synchronize()

    return called
