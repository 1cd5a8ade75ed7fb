"""Decoded layers kept between epochs, in memory or on disk: the same values, without decoding files again."""

import logging
import mmap
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instageo.errors import ConfigError
from instageo.locations import file_stamp, is_remote

log = logging.getLogger(__name__)

Array = NDArray[Any]

MAX_MEMORY_SHARE = 0.8
"""Share of the machine's memory that a cache may take."""


@dataclass(frozen=True)
class CacheEntry:
    """One array to keep.

    Attributes:
        path: The file it is decoded from.
        how: What tells apart two ways of decoding that file.
        shape: Of the array.
        dtype: Name of its type.
    """

    path: str
    how: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class Cache(Protocol):
    """Keeps arrays by the number of their slot."""

    def get(self, number: int, read: Callable[[], Array]) -> Array:
        """The array of a slot, not to be written to; `read` decodes it where it is not yet kept."""


class MemoryCache:
    """Arrays in one block of memory that processes forked later share; each is decoded once for all of them.

    Raises:
        ConfigError: They would take more memory than the machine has.
    """

    def __init__(self, slots: Sequence[CacheEntry]) -> None:
        self.slots = slots
        starts = np.cumsum([0, *(-(-slot.size // 64) * 64 for slot in slots)])  # at multiples of a cache line
        self.starts, self.size = starts[:-1].tolist(), int(starts[-1])
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if self.size > MAX_MEMORY_SHARE * there:
            raise ConfigError(
                f"dataloader.cache=memory would take {self.size / 1e9:.1f} GB of this machine's {there / 1e9:.1f} GB; "
                "use dataloader.cache=disk"
            )
        self._allocate()

    def _allocate(self) -> None:
        self._block = mmap.mmap(-1, max(self.size, 1) + len(self.slots))
        self._filled = np.frombuffer(self._block, np.uint8, len(self.slots), max(self.size, 1))

    def __getstate__(self) -> dict[str, Any]:
        """Without the memory: processes that are started anew, not forked, keep their own."""
        return {name: value for name, value in vars(self).items() if name not in ("_block", "_filled")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._allocate()

    def get(self, number: int, read: Callable[[], Array]) -> Array:
        """The array of a slot."""
        slot = self.slots[number]
        kept = np.frombuffer(self._block, slot.dtype, int(np.prod(slot.shape)), self.starts[number]).reshape(slot.shape)
        if not self._filled[number]:
            kept[...] = _as_promised(read(), slot)
            self._filled[number] = 1  # two processes that come at once write the same values
        return kept


class DiskCache:
    """Arrays as files of their bare values, named by path, size and time of the file they come from.

    Args:
        slots: What is kept.
        folder: Where to.
    """

    def __init__(self, slots: Sequence[CacheEntry], folder: Path) -> None:
        self.slots, self.folder = slots, folder
        self._remote: dict[str, str | None] = {}
        self._full = False

    def get(self, number: int, read: Callable[[], Array]) -> Array:
        """The array of a slot."""
        slot = self.slots[number]
        path = self._path(slot)
        if path is None:
            return read()
        with suppress(OSError, ValueError):
            if path.stat().st_size == slot.size:
                return np.memmap(path, slot.dtype, "r", shape=slot.shape)
        array = _as_promised(read(), slot)
        if not self._full:
            self._write(path, array)
        return array

    def _path(self, slot: CacheEntry) -> Path | None:
        place = slot.path if is_remote(slot.path) else os.path.abspath(slot.path)
        mark = self._stamp(place)
        if mark is None:
            return None
        about = place, slot.how, slot.shape, slot.dtype, mark
        name = sha256(repr(about).encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.raw"

    def _stamp(self, path: str) -> str | None:
        """Remote files are asked once a run."""
        if not is_remote(path):
            return file_stamp(path)
        if path not in self._remote:
            self._remote[path] = file_stamp(path)
        return self._remote[path]

    def _write(self, path: Path, array: Array) -> None:
        temporary = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(np.ascontiguousarray(array).data)
            os.replace(temporary, path)
        except OSError as error:
            self._full = True
            log.warning("dataloader.cache=disk keeps no more: %s: %s", self.folder, error.strerror)
            with suppress(OSError):
                temporary.unlink()


def _as_promised(array: Array, slot: CacheEntry) -> Array:
    if (array.shape, array.dtype.name) != (slot.shape, slot.dtype):
        raise ConfigError(
            f"{slot.path}: gives {array.shape} {array.dtype}, expected {slot.shape} {slot.dtype}; "
            "the file has changed since it was checked: start again"
        )
    return array
