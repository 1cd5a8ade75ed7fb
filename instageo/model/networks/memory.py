"""Memory that a CPU run frees stays with the process, so that the next batch does not ask the system for it again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""Numbers of options in glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Tell glibc not to give large blocks back to the system after each use.

    PyTorch on the CPU allocates every activation anew. By default glibc maps each large one from the system and unmaps
    it again, and touching new pages costs more than many layers' arithmetic. Does nothing where the C library is
    another. The peak does not grow; memory is given back when the process ends.
    """
    if not sys.platform.startswith("linux"):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1)):
            set_option(option, value)
