"""Decoded blocks of remote files on disk, within a limit of size: the blocks that were used longest ago go first."""

import io
import logging
import os
import threading
from contextlib import suppress
from hashlib import blake2b, sha256
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import WriteError
from instageo.files import DISK_ERRORS, PARTIAL, atomic_path

log = logging.getLogger(__name__)

KEPT_SHARE = 0.9
"""Share of the limit that is left after the cache was full."""

DIGEST_BYTES = 16
"""Bytes at the beginning of a file, made from its place in the cache and its content."""

Block = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Stored values and validity of a block, both of shape (h, w)."""


class BlockCache:
    """A folder of blocks that several processes may use at the same time; safe in threads.

    A full or read-only disk ends writing, not the run. Each file begins with a digest, so that a damaged one is read
    again from its source rather than used.

    Args:
        folder: The folder; it is created when the first block is put.
        limit_bytes: Largest size of all blocks; 0 to keep none.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder, self.limit_bytes = folder, limit_bytes
        self._lock = threading.Lock()
        self._size: int | None = None
        self._is_writable = limit_bytes > 0

    def __reduce__(self) -> tuple[type["BlockCache"], tuple[Path, int]]:
        """Return how another process opens the same cache."""
        return BlockCache, (self.folder, self.limit_bytes)

    def get(self, file: str, row: int, column: int) -> Block | None:
        """Return a block, or None if it is not there or damaged.

        Args:
            file: Identity of the file, which changes when its content does.
            row: Position of the block in the file, in blocks.
            column: Likewise.
        """
        path = self._path(file, row, column)
        try:
            stored = path.read_bytes()
            if stored[:DIGEST_BYTES] != _digest(file, row, column, memoryview(stored)[DIGEST_BYTES:]):
                return None
            content = io.BytesIO(stored)
            content.seek(DIGEST_BYTES)
            values, packed = np.load(content, allow_pickle=False), np.load(content, allow_pickle=False)
            valid = np.unpackbits(packed, count=values.size).astype(bool).reshape(values.shape)
        except (OSError, ValueError, EOFError):
            return None
        with suppress(OSError):
            os.utime(path)
        return values, valid

    def put(self, file: str, row: int, column: int, block: Block) -> None:
        """Keep a block; those that were used longest ago are removed where the limit is exceeded."""
        if not self._is_writable:
            return
        content = io.BytesIO()
        content.write(bytes(DIGEST_BYTES))
        values, valid = block
        np.save(content, np.ascontiguousarray(values), allow_pickle=False)
        np.save(content, np.packbits(valid), allow_pickle=False)
        content.getbuffer()[:DIGEST_BYTES] = _digest(file, row, column, content.getbuffer()[DIGEST_BYTES:])
        try:
            with atomic_path(self._path(file, row, column), sync=False) as temporary:
                temporary.write_bytes(content.getbuffer())
        except WriteError as error:
            cause = error.__cause__
            if not (isinstance(cause, OSError) and (cause.errno in DISK_ERRORS or isinstance(cause, PermissionError))):
                raise
            with self._lock:  # several threads may meet the full disk at once
                is_first, self._is_writable = self._is_writable, False
            if is_first:
                log.warning("blocks of images are no longer kept: %s", error)
            return
        with self._lock:
            if self._size is None:
                self._size = sum(size for size, _, _ in self._entries())
            else:
                self._size += content.getbuffer().nbytes
            if self._size > self.limit_bytes:
                self._size = self._shrink()

    def _path(self, file: str, row: int, column: int) -> Path:
        digest = sha256(file.encode()).hexdigest()[:32]
        return self.folder / digest[:2] / digest / f"{row}_{column}.block"

    def _entries(self) -> list[tuple[int, float, Path]]:
        """Return size, time of last use and path of each block, and of what killed processes have left of blocks."""
        entries = []
        for path in chain(self.folder.rglob("*.block"), self.folder.rglob(f".*{PARTIAL}")):
            with suppress(OSError):  # removed by another process
                status = path.stat()
                entries.append((status.st_size, status.st_mtime, path))
        return entries

    def _shrink(self) -> int:
        entries = sorted(self._entries(), key=lambda entry: entry[1])
        size = sum(entry[0] for entry in entries)
        for own, _, path in entries:
            if size <= KEPT_SHARE * self.limit_bytes:
                break
            with suppress(OSError):
                path.unlink()
                size -= own
        return size


def _digest(file: str, row: int, column: int, content: memoryview) -> bytes:
    """Return a digest that differs if bytes are damaged, or are those of another block."""
    digest = blake2b(f"{file}\n{row} {column}\n".encode(), digest_size=DIGEST_BYTES)
    digest.update(content)
    return digest.digest()
