"""Keep freed memory in the process on CPUs, so that the next batch need not request it from the system again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Option numbers from glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Set glibc to keep large freed blocks instead of returning them to the system.

    PyTorch on the CPU allocates a new block for every activation. By default glibc maps each large block from the
    system and unmaps it afterwards, and the first access to new pages costs more than the arithmetic of many layers.
    With other C libraries this does nothing. The peak does not grow, and the memory is released when the process ends.
    """
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)):
            set_option(option, value)


def return_freed_memory() -> None:
    """Return all memory that is not in use to the system, after work that needed much more than usual."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
