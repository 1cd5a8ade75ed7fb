"""One process at a time at a file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instageo.errors import MissingExtraError

log = logging.getLogger(__name__)


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Wait until no other process holds the file (or folder), then hold it; it is freed when this process ends.

    Raises:
        MissingExtraError: The package for locks is not installed.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError as error:
        raise MissingExtraError(
            f"a model registry needs the package {error.name}; install the extra: "
            "pip install 'instageo-model[registry]'"
        ) from error
    lock = FileLock(file / ".lock" if file.is_dir() else file.with_name(f".{file.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s is in the hands of another process; waiting for it", file)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
