"""Try backends on chips at hand: how fast they are, and how far they agree."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.model.backends.backend import Backend, BackendChoice, ChipBatch

TRIAL_S = 0.5
"""Seconds for which each backend computes."""

MIN_AGREEMENT = 0.999
"""Least share of pixels on which a backend must agree with float32 in PyTorch to be chosen."""

Agreement = Callable[[Tensor, Tensor], float]
"""Returns the share of pixels for which two outputs (B, K, h, w) mean the same, the first being the reference."""


@dataclass(frozen=True)
class TrialFigures:
    """How a backend did.

    Attributes:
        choice: The backend.
        chips_per_s: Its speed.
        agreement: Share of pixels that mean the same as those of the first one tried.
    """

    choice: BackendChoice
    chips_per_s: float
    agreement: float


def try_backends(
    backends: Sequence[Backend], chips: ChipBatch, agreement: Agreement, seconds: float = TRIAL_S
) -> list[TrialFigures]:
    """Measure backends in turns, so that what else the machine does affects all of them equally.

    Args:
        backends: The first one is the reference.
        chips: A batch.
        agreement: Compares outputs.
        seconds: For each of them, at least; each computes at least twice, and the fastest counts.
    """
    outputs = [backend(*chips) for backend in backends]  # also warms up
    best = [float("inf")] * len(backends)
    end, rounds = time.perf_counter() + seconds * len(backends), 0
    while rounds < 2 or time.perf_counter() < end:
        for index, backend in enumerate(backends):
            best[index] = min(best[index], _duration(backend, chips))
        rounds += 1
    return [
        TrialFigures(backend.choice, len(chips.image) / best[index], agreement(outputs[0], outputs[index]))
        for index, backend in enumerate(backends)
    ]


def _duration(backend: Backend, chips: ChipBatch) -> float:
    _finish(chips.image)
    began = time.perf_counter()
    backend(*chips)
    _finish(chips.image)
    return time.perf_counter() - began


def _finish(image: Tensor) -> None:
    if image.device.type == "cuda":
        torch.cuda.synchronize(image.device)
