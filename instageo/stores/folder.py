"""A folder of this machine, or of a network drive, as a store."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from instageo.errors import WriteError
from instageo.files import atomic_path, write_bytes, write_errors
from instageo.stores.base import ChangedError, ExistsError, FileInfo, MissingFileError, StoredObject, StoreError
from instageo.stores.lock import file_lock

COPY_BLOCK = 1 << 23
"""Bytes copied at a time."""


@dataclass(frozen=True)
class FolderStore:
    """Files below a folder; processes that create or replace the same file wait for each other.

    Attributes:
        url: The folder.
    """

    url: str

    def read(self, path: str) -> StoredObject:
        """Read all of a small file; its ETag is a hash of the bytes."""
        file = self._path(path)
        with _store_errors(file):
            data = file.read_bytes()
        return StoredObject(data, _hash(data))

    def stat(self, path: str) -> FileInfo:
        """Return a file's size, and its modification time as ETag."""
        file = self._path(path)
        with _store_errors(file):
            stat = file.stat()
        return FileInfo(stat.st_size, str(stat.st_mtime_ns))

    def list_files(self) -> Iterator[tuple[str, FileInfo]]:
        """Yield path, size and modification time of every file, in the order of paths."""
        folder = self._path("")
        if not folder.is_dir():
            raise MissingFileError(f"{folder}: no such folder")
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                yield file.relative_to(folder).as_posix(), self.stat(file.relative_to(folder).as_posix())

    def read_range(self, path: str, start: int, end: int, etag: str) -> memoryview:
        """Read the bytes from `start` up to, not including, `end`."""
        file = self._path(path)
        with _store_errors(file), file.open("rb") as stream:
            if etag and str(os.fstat(stream.fileno()).st_mtime_ns) != etag:
                raise ChangedError(f"{file}: changed while it was being read")
            stream.seek(start)
            return memoryview(stream.read(end - start))

    def download_to(self, path: str, target: Path) -> None:
        """Copy a file to `target`."""
        file = self._path(path)
        with _store_errors(file), file.open("rb") as source, write_errors(target), target.open("wb") as copy:
            shutil.copyfileobj(source, copy, COPY_BLOCK)

    def create(self, path: str, data: bytes) -> None:
        """Write a new file."""
        with self._locked(path) as file:
            if file.exists():
                raise ExistsError(f"{file}: already exists")
            write_bytes(file, data)

    def replace_if_match(self, path: str, data: bytes, etag: str) -> None:
        """Replace a file if its bytes still have that hash."""
        with self._locked(path) as file:
            if _hash(file.read_bytes()) != etag:
                raise ChangedError(f"{file}: somebody else has changed it")
            write_bytes(file, data)

    def upload(self, path: str, source: Path) -> None:
        """Copy a large file into the store."""
        file = self._path(path)
        with _store_errors(file), atomic_path(file) as temporary:
            shutil.copyfile(source, temporary)

    def _path(self, path: str) -> Path:
        return Path(self.url).expanduser() / path

    @contextmanager
    def _locked(self, path: str) -> Iterator[Path]:
        file = self._path(path)
        with _store_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file_lock(file):
                yield file


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()


@contextmanager
def _store_errors(file: Path) -> Iterator[None]:
    """Turn the operating system's errors into this package's."""
    try:
        yield
    except WriteError as error:
        raise StoreError(str(error)) from error
    except FileNotFoundError as error:
        raise MissingFileError(f"{file}: no such file") from error
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}") from error
