"""Measure the speed of networks on this machine, timed in alternation."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from instageo.model.inference.predictor import Predictor
from instageo.model.settings.derived import band_names
from instageo.model.tracking.environment import cpu_name
from instageo.runtime.progress import track

WARM_UP_ROUNDS = 2


@dataclass(frozen=True)
class Latency:
    """Seconds of one call, over several calls.

    Attributes:
        median: 50th percentile.
        low: 10th percentile.
        high: 90th percentile.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Return percentiles of at least one measurement, interpolated linearly."""
        low, median, high = (float(value) for value in np.percentile(seconds, [10, 50, 90]))
        return cls(median, low, high)


@dataclass(frozen=True)
class NetworkSpeed:
    """Latency and throughput of a network.

    Attributes:
        latency: Seconds of a forward pass of one chip.
        chips_per_second: Throughput of the batch with the median time.
    """

    latency: Latency
    chips_per_second: float


def measure_speed(predictors: Sequence[Predictor], *, rounds: int, batch_size: int) -> list[NetworkSpeed]:
    """Time networks in alternation: single chips, then a quarter as many batches.

    Only forward passes are timed, on chips that are decoded and normalised, with time and location if the network uses
    them. Two rounds before them are not counted.

    Args:
        predictors: Networks, all on one device.
        rounds: Single chips timed per network.
        batch_size: Chips in a batch.
    """
    singles = _time_forward(predictors, rounds, 1, "timing single chips")
    batches = _time_forward(predictors, batch_rounds(rounds), batch_size, "timing batches")
    return [
        NetworkSpeed(Latency.of(single), batch_size / Latency.of(batch).median)
        for single, batch in zip(singles, batches, strict=True)
    ]


def batch_rounds(rounds: int) -> int:
    """Return the number of batches timed per network, for a number of single chips."""
    return -(-rounds // 4)


def chip_shape(predictor: Predictor) -> tuple[int, int, int, int]:
    """Return bands, dates, height and width of the chips a network was trained on."""
    data = predictor.settings.dataloader
    return len(band_names(predictor.settings)), data.temporal_dim, data.img_size, data.img_size


def describe_device(device: torch.device) -> dict[str, Any]:
    """Return processor, threads, GPU and PyTorch version that networks are timed with."""
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


def time_alternating(
    calls: Sequence[Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = WARM_UP_ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
    title: str = "timing",
) -> list[list[float]]:
    """Return the seconds of each call, `rounds` of each; every round makes each call once and starts with another one.

    Args:
        calls: Each returns when its work is done, see `synchronized`.
        rounds: At least 1.
        warm_up: Rounds before them, which are not counted.
        clock: Returns seconds.
        title: Text of the progress bar.
    """
    seconds: list[list[float]] = [[] for _ in calls]
    for number in track(range(-warm_up, rounds), title, warm_up + rounds):
        for offset in range(len(calls)):
            index = (number + offset) % len(calls)
            start = clock()
            calls[index]()
            duration = clock() - start
            if number >= 0:
                seconds[index].append(duration)
    return seconds


def synchronized(call: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """Return a call that also waits until the device has finished the work."""

    def call_and_wait() -> None:
        call()
        if device.type in ("cuda", "mps"):
            getattr(torch, device.type).synchronize()

    return call_and_wait


def _time_forward(predictors: Sequence[Predictor], rounds: int, batch_size: int, title: str) -> list[list[float]]:
    calls = [synchronized(_forward_call(predictor, batch_size), predictor.device) for predictor in predictors]
    with torch.inference_mode():
        return time_alternating(calls, rounds, title=title)


def _forward_call(predictor: Predictor, batch_size: int) -> Callable[[], Tensor]:
    """Return a forward pass of a batch of constant chips."""
    shape, device = chip_shape(predictor), predictor.device
    image = torch.ones(batch_size, *shape, device=device)
    temporal_coords = torch.tensor([2020.0, 180.0], device=device).expand(batch_size, shape[1], 2)
    location_coords = torch.tensor([0.0, 0.0], device=device).expand(batch_size, 2)
    return partial(predictor.net, image, temporal_coords, location_coords)
