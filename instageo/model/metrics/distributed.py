"""Counts on any device, and sums over all processes of a distributed run."""

import torch
import torch.distributed as dist
from torch import Tensor


def increment_cells(counts: Tensor, cells: Tensor) -> None:
    """Add 1 to each cell, shape (N,), numbered through all dimensions; unlike `bincount`, never wait for a GPU."""
    one = torch.ones((), dtype=counts.dtype, device=counts.device)
    counts.view(-1).index_add_(0, cells, one.expand(len(cells)))


def is_positive(values: Tensor) -> Tensor:
    """Return 1 where a value is above 0, else 0, int32; PyTorch's comparison takes several times as long on CPUs."""
    return values.clamp(min=0).bool().to(torch.int32)


def sum_over_processes(counts: Tensor, sync: bool) -> Tensor:
    """Return counts on the CPU; with `sync`, in a distributed run, the sum over all processes, which must all call."""
    if sync and dist.is_available() and dist.is_initialized():
        counts = counts.clone()
        dist.all_reduce(counts)
    return counts.cpu()


def gather_over_processes(values: Tensor, sync: bool) -> list[Tensor]:
    """Return values on the CPU; with `sync`, in a distributed run, those of each process, which must all call it."""
    if not (sync and dist.is_available() and dist.is_initialized()):
        return [values.cpu()]
    gathered = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, values)
    return [part.cpu() for part in gathered]


def float64_device(device: torch.device | str) -> torch.device:
    """Return the device, or the CPU if the device has no float64 (Apple's)."""
    requested = torch.device(device)
    return torch.device("cpu") if requested.type == "mps" else requested
