"""The most memory that PyTorch has used on a GPU: of the whole process, and of parts of it that are measured apart."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

_earlier: dict[int, int] = {}
"""Highest peak before the last measurement of a part, bytes by number of the GPU."""


def peak_bytes() -> int:
    """Return the peak of the process on its current GPU, bytes."""
    return max(_earlier.get(torch.cuda.current_device(), 0), torch.cuda.max_memory_allocated())


@contextmanager
def measure_peak(device: torch.device) -> Iterator[Callable[[], int]]:
    """Yield a function that returns the peak on a GPU since the block began, bytes."""
    number = torch.cuda.current_device() if device.index is None else device.index
    _earlier[number] = max(_earlier.get(number, 0), torch.cuda.max_memory_allocated(device))
    torch.cuda.reset_peak_memory_stats(device)
    yield lambda: torch.cuda.max_memory_allocated(device)
