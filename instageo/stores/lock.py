"""Locks between processes."""

import errno
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from instageo.errors import InstaGeoError
from instageo.extras import required_by
from instageo.files import write_errors, write_text
from instageo.plain_values import load_json_file

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger(__name__)

LOCK, OWNER = ".lock", ".lock_owner.json"
"""Files of a locked folder: the lock itself, and who holds it."""

WAIT_FOR_DEAD_S = 15.0
"""How long to wait for a lock whose owner is dead: its child processes may hold it some seconds longer."""

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)
"""Errors of file systems without locks."""


class LockedError(InstaGeoError):
    """Another process has locked a folder; the text says which one."""


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


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Lock a folder during this block; it is created if it does not exist.

    The operating system releases the lock if the process dies.

    Raises:
        LockedError: Another process has locked it.
        WriteError: The disk refuses the lock.
    """
    from filelock import FileLock

    lock, owner = FileLock(folder / LOCK), folder / OWNER
    with write_errors(folder / LOCK):
        folder.mkdir(parents=True, exist_ok=True)
        free = _acquire(lock, 0) or (_is_dead(owner) and _acquire(lock, WAIT_FOR_DEAD_S))
    if not free:
        raise LockedError(_describe(owner))
    try:
        write_text(owner, json.dumps({"process": os.getpid(), "host": socket.gethostname()}))
        yield
    finally:
        with suppress(OSError):
            owner.unlink()
        lock.release()


@contextmanager
def hold_output(folder: Path) -> Iterator[None]:
    """Lock a folder as `hold_folder` does; if nothing is in it in the end, all that was created is removed again."""
    with write_errors(folder / LOCK):
        created = [path for path in (folder / LOCK, folder, *folder.parents) if not path.exists()]
    try:
        with hold_folder(folder):
            yield
    finally:
        with suppress(OSError):  # nothing was created, or another process has come
            if folder / LOCK in created and [path.name for path in folder.iterdir()] == [LOCK]:
                for path in created:
                    path.rmdir() if path.is_dir() else path.unlink()


def _acquire(lock: "BaseFileLock", timeout: float) -> bool:
    """Return whether a lock is free, and then hold it; a disk without locks counts as free."""
    from filelock import Timeout

    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        log.warning("%s: its disk has no locks, so that two runs in one folder go unnoticed", lock.lock_file)
    return True


def _read(owner: Path) -> tuple[int, str] | None:
    """Return process and host of the owner of a lock; None if they are unknown."""
    try:
        content = load_json_file(owner)
        return int(content["process"]), str(content["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _describe(owner: Path) -> str:
    process = _read(owner)
    return f"process {process[0]} on {process[1]}" if process else "another process"


def _is_dead(owner: Path) -> bool:
    """Return whether the owner of a lock was a process of this machine that has ended."""
    process = _read(owner)
    if process is None or process[1] != socket.gethostname():
        return False
    try:
        os.kill(process[0], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
