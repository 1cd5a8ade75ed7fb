"""Locks between processes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instageo.extras import required_by

log = logging.getLogger(__name__)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock of a file or folder, then hold it during this block.

    The operating system releases the lock if the process dies.

    Raises:
        MissingExtraError: The package for locks is not installed.
    """
    with required_by("a model registry", "registry"):
        from filelock import FileLock, Timeout
    lock = FileLock(path / ".lock" if path.is_dir() else path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is using %s; waiting", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
