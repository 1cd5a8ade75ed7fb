"""Counts and sums of any device, and of all processes of a distributed run."""

import torch
import torch.distributed as dist
from torch import Tensor


def count_cells(counts: Tensor, cells: Tensor) -> None:
    """Add 1 to each of the cells, shape (N,), numbered through all dimensions; never waits, as `bincount` does."""
    one = torch.ones((), dtype=counts.dtype, device=counts.device)
    counts.view(-1).index_add_(0, cells, one.expand(len(cells)))


def positive(values: Tensor) -> Tensor:
    """1 where a value is above 0, else 0, int32; PyTorch's comparison takes several times as long on CPUs."""
    return values.clamp(min=0).bool().to(torch.int32)


def sum_over_processes(counts: Tensor, sync: bool) -> Tensor:
    """Counts on the CPU; with `sync`, in a distributed run, summed over all processes, which must all call it."""
    if sync and dist.is_available() and dist.is_initialized():
        counts = counts.clone()
        dist.all_reduce(counts)
    return counts.cpu()


def gather_over_processes(values: Tensor, sync: bool) -> list[Tensor]:
    """Values on the CPU; with `sync`, in a distributed run, those of all processes by rank, which must all call it."""
    if not (sync and dist.is_available() and dist.is_initialized()):
        return [values.cpu()]
    every = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(every, values)
    return [own.cpu() for own in every]


def float64_device(device: torch.device | str) -> torch.device:
    """The device, or the CPU where it has no float64 (Apple's)."""
    wanted = torch.device(device)
    return torch.device("cpu") if wanted.type == "mps" else wanted
