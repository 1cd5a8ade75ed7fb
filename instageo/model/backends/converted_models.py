"""Converted models in the user's cache: whole or absent, checked before they are read, bounded in size."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from instageo.errors import DataError, WriteError
from instageo.files import PARTIAL, write_errors, write_text
from instageo.locations import user_cache
from instageo.plain_values import load_json_file
from instageo.stores.download import sha256_file

CHECKSUMS = "checksums.json"
"""File of an entry that names the others, each with its SHA-256."""

MAX_BYTES = 4 << 30
"""Size of all entries, from which those go that were not used for longest."""

ABANDONED_S = 24 * 3600.0
"""Age from which an entry that was never finished is that of a killed process."""


def conversions_folder() -> Path:
    """Return the folder of converted models in the user's cache."""
    return user_cache() / "converted_models"


@contextmanager
def converted_model(
    key: str, convert: Callable[[Path], None], *, folder: Path | None = None, max_bytes: int = MAX_BYTES
) -> Iterator[Path]:
    """Yield the folder of a converted model, which nobody else changes or removes during this block.

    An entry that is missing or damaged is made again; another process that needs the same entry waits meanwhile. A
    read-only folder takes no locks; a whole entry in it is read without one.

    Args:
        key: What the content depends on, as a checksum.
        convert: Writes the files of the model to a folder.
        folder: Where entries lie; None for the user's cache.
        max_bytes: Size of all entries from which others are removed.

    Raises:
        WriteError: The disk refuses a file.
    """
    root = folder or conversions_folder()
    entry = root / key
    with ExitStack() as stack:
        try:
            with write_errors(_lock(entry)):
                root.mkdir(parents=True, exist_ok=True)
                stack.enter_context(FileLock(_lock(entry)))
        except WriteError:
            if not is_whole(entry):
                raise
        if not is_whole(entry):
            _make(entry, convert)
            _remove_oldest(root, entry, max_bytes)
        with suppress(OSError):
            os.utime(entry)
        yield entry


def has_converted(key: str, folder: Path | None = None) -> bool:
    """Return whether a converted model is in the cache; its content is not checked."""
    with suppress(PermissionError):
        return ((folder or conversions_folder()) / key / CHECKSUMS).exists()
    return False


def is_whole(entry: Path) -> bool:
    """Return whether all files of an entry are there with the content that was written, and no others.

    A link is none, wherever it leads.
    """
    if entry.is_symlink():
        return False
    try:
        checksums = load_json_file(entry / CHECKSUMS)
    except (OSError, ValueError, DataError):
        return False
    if not isinstance(checksums, dict) or not checksums:
        return False
    with suppress(OSError):
        names = {path.name for path in entry.iterdir()} - {CHECKSUMS}
        return names == set(checksums) and all(sha256_file(entry / name) == checksums[name] for name in names)
    return False


def content_checksum(entry: Path) -> str:
    """Return a checksum of the content of an entry."""
    return sha256((entry / CHECKSUMS).read_bytes()).hexdigest()


def _make(entry: Path, convert: Callable[[Path], None]) -> None:
    temporary = entry.with_name(f".{entry.name}.{uuid4().hex[:12]}{PARTIAL}")
    try:
        with write_errors(entry, temporary):
            temporary.mkdir()
            convert(temporary)
            checksums = {path.name: sha256_file(path) for path in sorted(temporary.iterdir())}
            write_text(temporary / CHECKSUMS, json.dumps(checksums, indent=1))
            _remove(entry)
            os.replace(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove(entry: Path) -> None:
    """Remove what has the name of an entry: a folder with what is in it, a file, or a link but not where it leads."""
    if entry.is_symlink() or entry.is_file():
        entry.unlink()
    else:
        shutil.rmtree(entry, ignore_errors=True)


def _remove_oldest(root: Path, spared: Path, max_bytes: int) -> None:
    """Remove what killed processes left, and entries that nobody uses, until the others fit."""
    now = time.time()
    with suppress(OSError):
        for path in root.glob(f".*{PARTIAL}"):
            if now - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)
        folders = (path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
        entries = [path for path in folders if not path.name.startswith(".")]
        sizes = {path: sum(file.lstat().st_size for file in path.iterdir()) for path in entries}
        total = sum(sizes.values())
        for path in sorted(entries, key=lambda path: path.stat().st_mtime):
            if total <= max_bytes:
                break
            if path == spared:
                continue
            with suppress(OSError), FileLock(_lock(path), blocking=False):  # a held lock is such an error, too
                shutil.rmtree(path, ignore_errors=True)
                total -= sizes[path]


def _lock(entry: Path) -> Path:
    return entry.with_name(f".{entry.name}.lock")
