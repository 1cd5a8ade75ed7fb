"""Freed memory: kept in processes that compute, so that the next batch need not request it; returned in others."""

import ctypes
import sys
from collections.abc import Mapping

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8
"""Option numbers from glibc's malloc.h."""

LARGE_BLOCK_BYTES = 1 << 20
"""Blocks of this size and above are returned to the system at once by `return_large_blocks`."""


def keep_freed_memory() -> None:
    """Set glibc to keep large freed blocks instead of returning them to the system.

    PyTorch on the CPU allocates a new block for every activation. By default glibc maps each large block from the
    system and unmaps it afterwards, and the first access to new pages costs more than the arithmetic of many layers.
    With other C libraries this does nothing. The peak does not grow, and the memory is released when the process ends.
    """
    _set_options({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1})


def return_large_blocks() -> None:
    """Set glibc to return large blocks to the system as soon as they are freed, for processes with many threads.

    After the first large block is freed, glibc serves such blocks from the heaps of threads, which keep them: 16
    threads that read images of 4 million pixels kept 390 MB. A fixed threshold (mallopt(3)) ends that.
    """
    _set_options({M_MMAP_THRESHOLD: LARGE_BLOCK_BYTES})


def _set_options(options: Mapping[int, int]) -> None:
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in options.items():
            set_option(option, value)


def return_freed_memory() -> None:
    """Return all memory that is not in use to the system, after work that needed much more than usual."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
