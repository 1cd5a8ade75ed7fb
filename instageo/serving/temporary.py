"""Keep uploads and results of a server in a folder, removed when it stops or, after a kill, at the next start."""

import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "instageo-server-"
"""Begin of the names of all such folders, in the system's temporary folder."""

LOCK, RESTARTS = ".lock", "restarts"
"""Files in a folder: locked while its process lives; how often processes of the same server were killed before."""


class ServerFolder:
    """A temporary folder of the process that answers HTTP: locked, and removed with this object.

    Folders of processes that were killed are removed first. The operating system releases the lock of a process that
    ends, however it ends, so that no folder of a running server is taken for one that was left.

    Attributes:
        path: The folder.
        restarts: How often this process of the same server has been started again, on this machine.

    Args:
        server: Identifier of the server, the same for all its processes.
    """

    def __init__(self, server: str = "local") -> None:
        killed = remove_leftovers(server)
        remove_leftovers()
        self.restarts = 0 if killed is None else killed + 1
        self.path, lock = _create(server)
        (self.path / RESTARTS).write_text(str(self.restarts))
        self.remove = weakref.finalize(self, _remove, self.path, lock)

    @contextmanager
    def image(self) -> Iterator[Path]:
        """Yield a path for one image, and remove it when the block ends."""
        with tempfile.TemporaryDirectory(prefix="upload-", dir=self.path) as folder:
            yield Path(folder) / "image.tif"


def remove_leftovers(server: str = "", wait_s: float = 0) -> int | None:
    """Remove folders of processes that have ended without removing them.

    Args:
        server: Only those of this server.
        wait_s: Seconds to wait for each process that still runs.

    Returns:
        How often these processes had been restarted, at most; None if nothing was left.
    """
    end, owner = time.monotonic() + wait_s, []
    for path in Path(tempfile.gettempdir()).glob(f"{_prefix(server) if server else PREFIX}*"):
        if path.is_symlink() or not path.is_dir():
            continue
        lock = FileLock(path / LOCK)
        with suppress(Timeout, OSError):  # its process runs, or it is another user's
            lock.acquire(timeout=max(0, end - time.monotonic()))
            owner.append(_read_restarts(path))
            _remove(path, lock)
    return max(owner, default=None)


def _prefix(server: str) -> str:
    return f"{PREFIX}{server[:16]}-"


def _create(server: str) -> tuple[Path, FileLock]:
    """Return a new folder and its lock, held; another process may remove the folder before it is locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_prefix(server)))
        lock = FileLock(path / LOCK, thread_local=False)
        with suppress(FileNotFoundError):
            lock.acquire()
            if (path / LOCK).exists():
                return path, lock
            lock.release()


def _remove(path: Path, lock: FileLock) -> None:
    shutil.rmtree(path, ignore_errors=True)
    lock.release()


def _read_restarts(path: Path) -> int:
    try:
        return int((path / RESTARTS).read_text()[:9])
    except (OSError, ValueError):
        return 0
