"""How fast networks are on this machine, side by side."""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from instageo.model.accounts.machine import cpu_name
from instageo.model.latency import Latency, time_in_turn, waiting
from instageo.model.layout import band_names
from instageo.model.predictor import Predictor

WARM_UP = 2


@dataclass(frozen=True)
class Speed:
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


def measure(predictors: Sequence[Predictor], *, rounds: int, batch_size: int) -> list[Speed]:
    """Time networks in turn: single chips, then batches, of which a quarter as many.

    Timed are forward passes of the network alone, of chips that are decoded and normalised, with time and place where
    the network takes them; two rounds before do not count.

    Args:
        predictors: All on one device.
        rounds: Single chips timed per network.
        batch_size: Chips in a batch.
    """
    singles = _seconds(predictors, rounds, 1, "timing single chips")
    batches = _seconds(predictors, batches_of(rounds), batch_size, "timing batches")
    return [
        Speed(Latency.of(single), batch_size / Latency.of(batch).median)
        for single, batch in zip(singles, batches, strict=True)
    ]


def batches_of(rounds: int) -> int:
    """Batches that are timed per network, beside so many single chips."""
    return -(-rounds // 4)


def this_machine(device: torch.device) -> dict[str, Any]:
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
    calls = [waiting(_forward(predictor, batch_size), predictor.device) for predictor in predictors]
    with torch.inference_mode():
        return time_in_turn(calls, rounds, warm_up=WARM_UP, shown_as=what)


def _forward(predictor: Predictor, batch_size: int) -> Callable[[], Tensor]:
    """A forward pass of chips whose values do not matter."""
    shape, device = chip_shape(predictor), predictor.device
    image = torch.ones(batch_size, *shape, device=device)
    time = torch.tensor([2020.0, 180.0], device=device).expand(batch_size, shape[1], 2)
    place = torch.tensor([0.0, 0.0], device=device).expand(batch_size, 2)
    return partial(predictor.net, image, time, place)
