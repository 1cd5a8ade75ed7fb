"""Temporary folders next to what is made in them, of which a killed process leaves none for long."""

import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from instageo.stores.lock import LOCK

NO_LOCK_ERRORS = (OSError, NotImplementedError)
"""Errors of locks on disks that have none; the second is filelock's own."""


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder, and remove it when the block ends, with those that killed processes left.

    The operating system releases the lock of a process however it ends, so folders in use are never taken for left
    ones. Disks without locks keep what killed processes leave.

    Args:
        parent: Folder that it is made in.
        prefix: Begin of its name, which says what it is for.

    Raises:
        OSError: The disk refuses the folder.
    """
    from filelock import FileLock, Timeout

    for path in parent.glob(f"{glob.escape(prefix)}*/{LOCK}"):
        lock = FileLock(path)
        with suppress(Timeout, *NO_LOCK_ERRORS):
            lock.acquire(timeout=0)
            shutil.rmtree(path.parent, ignore_errors=True)
            lock.release()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    lock = FileLock(folder / LOCK)
    try:
        with suppress(*NO_LOCK_ERRORS):
            lock.acquire()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
