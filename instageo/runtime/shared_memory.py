"""Memory through which processes exchange arrays, and how many processes it has room for."""

import os
import shutil
from contextlib import suppress

FOLDER = "/dev/shm"  # noqa: S108  # nosec B108
"""Folder of the shared memory."""

SHARE = 0.5
"""Share of the free shared memory that the processes may fill."""


def count_processes(bytes_each: float) -> int:
    """Return how many processes may exchange arrays: one per core, or fewer if they do not fit; 0 if none fits.

    Args:
        bytes_each: What each process holds in shared memory at a time.
    """
    with suppress(OSError):
        free = shutil.disk_usage(FOLDER).free
        return min(os.cpu_count() or 1, int(SHARE * free / bytes_each))
    return 0
