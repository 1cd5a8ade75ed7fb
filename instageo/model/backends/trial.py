"""Try backends on chips at hand: how fast they are, and how far they agree."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.model.backends.backend import Backend, BackendChoice, ChipBatch

TRIAL_S = 0.5
"""Seconds for which each backend computes."""

MIN_AGREEMENT = 0.999
"""Least share of pixels on which a backend, but for int8, must agree with float32 in PyTorch to be chosen."""

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
    backends: Sequence[Backend], chips: ChipBatch, agreement: Agreement, seconds: float = TRIAL_S, num_callers: int = 1
) -> list[TrialFigures]:
    """Measure backends in turns, so that what else the machine does affects all of them equally.

    Args:
        backends: The first one is the reference.
        chips: A batch.
        agreement: Compares outputs.
        seconds: For each of them, at least; each computes at least twice, and the fastest counts.
        num_callers: Threads that compute parts of the batch at the same time and share PyTorch's threads, as in maps.
    """
    with _callers(num_callers) as compute:
        outputs = [compute(backend, chips) for backend in backends]  # also warms up
        best = [float("inf")] * len(backends)
        end, rounds = time.perf_counter() + seconds * len(backends), 0
        while rounds < 2 or time.perf_counter() < end:
            for index, backend in enumerate(backends):
                best[index] = min(best[index], _duration(compute, backend, chips))
            rounds += 1
    return [
        TrialFigures(backend.choice, len(chips.image) / best[index], agreement(outputs[0], outputs[index]))
        for index, backend in enumerate(backends)
    ]


Compute = Callable[[Backend, ChipBatch], Tensor]
"""Computes a batch with a backend."""


@contextmanager
def _callers(number: int) -> Iterator[Compute]:
    """Yield what computes a batch in several threads, each with its part of the chips and of PyTorch's threads."""
    if number == 1:
        yield lambda backend, chips: backend(*chips)
        return
    torch_threads = max(torch.get_num_threads() // number, 1)
    with ThreadPoolExecutor(number, "trial", torch.set_num_threads, (torch_threads,)) as pool:

        def compute(backend: Backend, chips: ChipBatch) -> Tensor:
            parts = zip(*(part.tensor_split(number) for part in chips), strict=True)
            futures = [pool.submit(backend, *part) for part in parts if len(part[0])]
            return torch.cat([future.result() for future in futures])

        yield compute


def _duration(compute: Compute, backend: Backend, chips: ChipBatch) -> float:
    _finish(chips.image)
    began = time.perf_counter()
    compute(backend, chips)
    _finish(chips.image)
    return time.perf_counter() - began


def _finish(image: Tensor) -> None:
    if image.device.type == "cuda":
        torch.cuda.synchronize(image.device)
