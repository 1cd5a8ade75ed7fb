"""Write files whole or not at all, and say which file could not be written, and why."""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from instageo.errors import WriteError

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Errors that concern a disk rather than a path."""

MAX_NAME_BYTES = 255
"""Longest file name of the usual file systems."""

PARTIAL = ".part"
"""End of the names of files that are being written."""

TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{12}\.part", re.DOTALL)
"""Names of the files that `atomic_path` writes."""

ADVICE = {
    errno.ENOSPC: "free some disk space, or choose another folder",
    errno.EDQUOT: "free some of your disk space, or choose another folder",
    errno.EFBIG: "the limit of a file's size (ulimit -f, or that of the disk) is too low",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EEXIST: "a part of the path is a file; choose another folder",
    errno.EISDIR: "a folder has this name; choose another one",
}
"""What to do about an error of the operating system."""


@contextmanager
def atomic_path(path: Path, *, verify: Callable[[Path], None] | None = None, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and rename it to `path` when the block ends without an error.

    Readers see the old file or the new one, never a part, even if the disk fills up or the power fails. After an error
    the temporary file is removed. The folder is created if it does not exist.

    Args:
        path: Where the file is to be.
        verify: Called with the temporary path before the file gets its name; raises an error if it is not whole.
        sync: Whether the content must be on the disk before the file gets its name. Without, a file may be cut short
            if the power fails; for files that are checked when they are read.

    Raises:
        WriteError: The disk refuses the file; the error names `path`.
    """
    temporary = path.with_name(f".{_stem(path.name)}.{uuid4().hex[:12]}{PARTIAL}")
    try:
        with write_errors(path, temporary):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if sync:
                _sync(temporary)
            if verify is not None:
                verify(temporary)
            os.replace(temporary, path)
        if sync:
            with suppress(OSError):  # not every file system, or operating system, can
                _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_temporary_files(folder: Path) -> None:
    """Remove files of `atomic_path` that a killed process left in a folder itself; see `remove_partial_files`."""
    _remove_temporary(folder.glob(f".*{PARTIAL}"))


def remove_partial_files(folder: Path) -> None:
    """Remove files of `atomic_path` that a killed process left in a folder or below it; nobody may be writing there."""
    _remove_temporary(folder.rglob(f".*{PARTIAL}"))


def _remove_temporary(paths: Iterable[Path]) -> None:
    for path in paths:
        if TEMPORARY_NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


@contextmanager
def write_errors(path: Path, *others: Path) -> Iterator[None]:
    """Turn errors of the operating system in this block, which writes a file, into one that names it and its disk.

    Errors that name a file other than `path`, its folders, `others` or files in these pass unchanged.

    Raises:
        WriteError: The disk refuses the file.
    """
    try:
        yield
    except OSError as error:
        names = [name for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
        named = {Path(os.fsdecode(name)) for name in names}
        own = named & {path, *path.parents} or any(each.is_relative_to(other) for each in named for other in others)
        if named and not own:
            raise
        raise WriteError(f"{path}: cannot be written: {describe_disk_error(error, path)}") from error


@contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Name a folder in errors of the disk that name no file; for writers of libraries, which write to this folder.

    Raises:
        WriteError: The disk refuses a file.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno not in DISK_ERRORS:
            raise
        if isinstance(error.__context__, WriteError):  # which this one followed, and which says more
            raise error.__context__ from None
        raise WriteError(f"{folder}: a file in it cannot be written: {describe_disk_error(error, folder)}") from error


def describe_disk_error(error: OSError, path: Path) -> str:
    """Return why a file cannot be written, on which disk it is, and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    folder = next((parent for parent in path.absolute().parents if parent.exists()), Path("/"))
    mount = next((parent for parent in (folder, *folder.parents) if parent.is_mount()), folder)
    with suppress(OSError):
        reason += f" (disk {mount}, {shutil.disk_usage(folder).free / 1e6:.0f} MB free)"
    advice = ADVICE.get(error.errno or 0)
    return f"{reason}; {advice}" if advice else reason


def describe_os_error(error: OSError) -> str:
    """Return one sentence for an error of the operating system: the file, if it names one, and the reason."""
    if error.filename is None:
        return str(error)
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else Path(str(error.filename))
    reason = describe_disk_error(error, path) if error.errno in DISK_ERRORS else error.strerror
    return f"{path}: {reason}"


def find_unfinished(paths: Iterable[Path]) -> list[Path]:
    """Return the temporary files that killed processes have left of these files."""
    expected = {(path.parent, _stem(path.name)) for path in paths}
    return [
        file
        for folder in {folder for folder, _ in expected}
        for file in folder.glob(".*.part")
        if (folder, file.name[1:].rsplit(".", 2)[0]) in expected
    ]


def write_bytes(path: Path, data: bytes | memoryview) -> None:
    """Write a file whole or not at all; see `atomic_path`."""

    def verify(temporary: Path) -> None:
        size = temporary.stat().st_size
        if size != len(data):
            raise OSError(errno.EIO, f"{size} of {len(data)} bytes were written")

    with atomic_path(path, verify=verify) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, whole or not at all; see `atomic_path`."""
    write_bytes(path, text.encode())


def _stem(name: str) -> str:
    """Return a file name, shortened if a temporary name made of it would be too long."""
    longest = MAX_NAME_BYTES - len("..123456789abc.part")
    return os.fsdecode(os.fsencode(name)[:longest])


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; its errors would be lost otherwise."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
