"""Keep decoded layers between epochs, in memory or on disk: the same values, without decoding files again."""

import logging
import mmap
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from instageo.errors import ConfigError, WriteError
from instageo.files import atomic_path
from instageo.locations import file_stamp, is_remote

log = logging.getLogger(__name__)

Array = NDArray[Any]

MAX_MEMORY_SHARE = 0.8
"""Largest share of the machine's memory that a cache may use."""

CACHE_LINE = 64
"""Arrays in memory start at multiples of this many bytes."""


CHECKSUM_BYTES = 4
"""Bytes at the end of a file on disk: the CRC-32 of the others."""


@dataclass(frozen=True)
class CacheEntry:
    """One array that a cache keeps.

    Attributes:
        path: The file it is decoded from.
        decoding: Text that distinguishes two ways of decoding that file.
        shape: Shape of the array.
        dtype: Name of its type.
    """

    path: str
    decoding: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Cache(Protocol):
    """Keeps arrays by the index of their entry."""

    def get(self, index: int, decode: Callable[[], Array]) -> Array:
        """Return the array of an entry, not to be written to; `decode` is called if it is not cached yet."""


class MemoryCache:
    """Arrays in one block of memory, shared with processes forked later; each is decoded once for all of them.

    Args:
        entries: The arrays to keep.

    Raises:
        ConfigError: They would need more memory than the machine has.
    """

    def __init__(self, entries: Sequence[CacheEntry]) -> None:
        self.entries = entries
        ends = np.cumsum([0, *(-(-entry.nbytes // CACHE_LINE) * CACHE_LINE for entry in entries)])
        self.starts, self.nbytes = ends[:-1].tolist(), int(ends[-1])
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if self.nbytes > MAX_MEMORY_SHARE * memory:
            raise ConfigError(
                f"dataloader.cache=memory needs {self.nbytes / 1e9:.1f} GB, more than {MAX_MEMORY_SHARE:.0%} of this "
                f"machine's {memory / 1e9:.1f} GB; use dataloader.cache=disk"
            )
        self._allocate()

    def get(self, index: int, decode: Callable[[], Array]) -> Array:
        """Return the array of an entry, see `Cache.get`."""
        entry = self.entries[index]
        size = int(np.prod(entry.shape))
        cached = np.frombuffer(self._block, entry.dtype, size, self.starts[index]).reshape(entry.shape)
        if not self._filled[index]:
            cached[...] = _decode(entry, decode)
            self._filled[index] = 1  # two processes that decode at the same time write the same values
        return cached

    def _allocate(self) -> None:
        """Reserve the arrays' memory and, after it, one flag for each entry."""
        self._block = mmap.mmap(-1, max(self.nbytes, 1) + len(self.entries))
        self._filled = np.frombuffer(self._block, np.uint8, len(self.entries), max(self.nbytes, 1))

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the memory: processes that are spawned, not forked, have their own."""
        return {name: value for name, value in vars(self).items() if name not in ("_block", "_filled")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._allocate()


class DiskCache:
    """Arrays as files of their raw values and a checksum, named by path, size and time of the file they come from.

    A file that is cut short or damaged is decoded again.

    Args:
        entries: The arrays to keep.
        folder: Folder of the files.
    """

    def __init__(self, entries: Sequence[CacheEntry], folder: Path) -> None:
        self.entries, self.folder = entries, folder
        self._remote_stamps: dict[str, str | None] = {}
        self._write_failed = False
        self._verified: set[int] = set()

    def get(self, index: int, decode: Callable[[], Array]) -> Array:
        """Return the array of an entry, see `Cache.get`."""
        entry = self.entries[index]
        path = self._path(entry)
        if path is None:
            return decode()
        with suppress(OSError, ValueError):  # it does not exist, or is empty
            content = np.memmap(path, np.uint8, "r")
            values = content[: entry.nbytes]
            if len(content) == entry.nbytes + CHECKSUM_BYTES:
                if index in self._verified or content[entry.nbytes :].tobytes() == _checksum(values):
                    self._verified.add(index)
                    return values.view(entry.dtype).reshape(entry.shape)
                log.warning("%s: is damaged; %s is decoded again", path, entry.path)
        array = _decode(entry, decode)
        if not self._write_failed:
            self._write(path, array)
        return array

    def _path(self, entry: CacheEntry) -> Path | None:
        """Return where the array is kept, or None if changes of its source file cannot be noticed."""
        source = entry.path if is_remote(entry.path) else os.path.abspath(entry.path)
        stamp = self._stamp(source)
        if stamp is None:
            return None
        key = source, entry.decoding, entry.shape, entry.dtype, stamp
        name = sha256(repr(key).encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.raw"

    def _stamp(self, source: str) -> str | None:
        """Return the stamp of a file; that of a remote file is requested once per run."""
        if not is_remote(source):
            return file_stamp(source)
        if source not in self._remote_stamps:
            self._remote_stamps[source] = file_stamp(source)
        return self._remote_stamps[source]

    def _write(self, path: Path, array: Array) -> None:
        content = np.ascontiguousarray(array).data
        try:
            with atomic_path(path, sync=False) as temporary, temporary.open("wb") as file:
                file.write(content)
                file.write(_checksum(content))
        except WriteError as error:
            self._write_failed = True
            log.warning("dataloader.cache=disk: %s; further chips are not cached", error)


def _checksum(content: Any) -> bytes:
    return crc32(content).to_bytes(CHECKSUM_BYTES, "little")


def _decode(entry: CacheEntry, decode: Callable[[], Array]) -> Array:
    """Decode an array and check its shape and type.

    Raises:
        ConfigError: They are not those of the entry.
    """
    array = decode()
    if (array.shape, array.dtype.name) != (entry.shape, entry.dtype):
        raise ConfigError(
            f"{entry.path}: decoded to {array.shape} {array.dtype}, expected {entry.shape} {entry.dtype}; the file has "
            "changed since the table was checked; run the command again"
        )
    return array
