"""Memory: how much is left, and errors that say that there was not enough."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from instageo.errors import OutOfMemoryError

SHARED_MEMORY_WORDS = ("shared memory", "bus error", "/torch_", "unable to mmap")
"""Words in messages of PyTorch when memory that processes share runs out, such as /dev/shm in containers."""

MEMORY_WORDS = (
    "out of memory", "can't allocate memory", "not enough memory", "unable to allocate", "cannot allocate memory",
    "killed by signal: killed", *SHARED_MEMORY_WORDS,
)  # fmt: skip
"""Words in messages of PyTorch, CUDA and the system when memory runs out."""


SMALL_BYTES = 64 << 20
"""Requests up to this size are not checked."""


@contextmanager
def explain_memory_errors(name: str, advice: str) -> Iterator[None]:
    """Turn errors of NumPy, PyTorch, CUDA and loader processes that mean "out of memory" into one sentence.

    Args:
        name: What needed the memory, at the start of the sentence.
        advice: What to do, at its end.

    Raises:
        OutOfMemoryError: Memory ran out in this block.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError) and not any(word in text for word in MEMORY_WORDS):
            raise
        if any(word in text for word in SHARED_MEMORY_WORDS):
            raise OutOfMemoryError(
                f"{name}: the memory that loader processes share (/dev/shm) is full; set dataloader.num_workers=0, or "
                "enlarge it (docker run --shm-size=1g)"
            ) from error
        raise OutOfMemoryError(f"{name}: not enough memory{_amount(error)}; {advice}") from error


def require_memory(needed: int, name: str, advice: str) -> None:
    """Check that memory is free before it is requested.

    Args:
        needed: Bytes.
        name: What needs them, at the start of the sentence.
        advice: What to do, at its end.

    Raises:
        OutOfMemoryError: Fewer bytes are free.
    """
    if needed <= SMALL_BYTES:
        return
    free = available_memory()
    if free is not None and needed > free:
        raise OutOfMemoryError(
            f"{name} needs about {needed / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free; {advice}"
        )


def available_memory() -> int | None:
    """Return the bytes that this process can still use: of the machine, its container and its own limit.

    None where the system does not say (it is not Linux).
    """
    limits = [_machine(), _container(), _process()]
    finite_limits = [limit for limit in limits if limit is not None]
    return max(min(finite_limits), 0) if finite_limits else None


def _machine() -> int | None:
    with suppress(OSError, ValueError, StopIteration, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    return None


def _container() -> int | None:
    """Return what is left of the memory limit of the control group (version 2, then 1)."""
    for folder, limit, usage, reclaimable in (
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):
            total, used = (int(Path(folder, name).read_text(encoding="ascii")) for name in (limit, usage))
            entries = dict(
                line.split() for line in Path(folder, "memory.stat").read_text(encoding="ascii").splitlines()
            )
            return total - used + int(entries.get(reclaimable, 0))
    return None


def _process() -> int | None:
    """Return what is left of the address space (`ulimit -v`)."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return limit - pages * os.sysconf("SC_PAGE_SIZE")
    return None


def _amount(error: Exception) -> str:
    """Return the first line of a message, if it has one, in brackets; of a GPU's, what it was asked for."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f" ({lines[0].partition('. GPU ')[0].rstrip('.')})" if lines else ""
