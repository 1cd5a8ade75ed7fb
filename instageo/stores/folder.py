"""A folder of this machine, or of a network drive, as a store."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from instageo.stores.base import ChangedError, ExistsError, FileInfo, MissingFileError, StoredObject, StoreError
from instageo.stores.lock import file_lock

BLOCK = 1 << 23
"""Bytes copied at a time."""


@dataclass(frozen=True)
class FolderStore:
    """Files below a folder; writers wait for each other by a lock beside the file."""

    url: str

    def read(self, path: str) -> StoredObject:
        """All of a small file."""
        with _told(self._at(path)) as file:
            data = file.read_bytes()
        return StoredObject(data, _tag(data))

    def facts(self, path: str) -> FileInfo:
        """Its size, and its time as the tag."""
        with _told(self._at(path)) as file:
            found = file.stat()
        return FileInfo(found.st_size, str(found.st_mtime_ns))

    def piece(self, path: str, start: int, end: int, tag: str) -> memoryview:
        """Bytes from `start` to before `end`."""
        with _told(self._at(path)) as file, file.open("rb") as stream:
            if tag and str(os.fstat(stream.fileno()).st_mtime_ns) != tag:
                raise ChangedError(f"{file}: has changed while it was read")
            stream.seek(start)
            return memoryview(stream.read(end - start))

    def whole(self, path: str, target: Path) -> None:
        """Copy a file."""
        with _told(self._at(path)) as file, file.open("rb") as stream, target.open("wb") as copy:
            shutil.copyfileobj(stream, copy, BLOCK)

    def create(self, path: str, data: bytes) -> None:
        """Write a new file."""
        file = self._at(path)
        with _told(file), self._writing(file):
            if file.exists():
                raise ExistsError(f"{file}: is there already")
            _put(file, data)

    def replace(self, path: str, data: bytes, tag: str) -> None:
        """Write a file in place of the one whose bytes have that hash."""
        file = self._at(path)
        with _told(file), self._writing(file):
            if _tag(file.read_bytes()) != tag:
                raise ChangedError(f"{file}: has been changed by somebody else")
            _put(file, data)

    def upload(self, path: str, source: Path) -> None:
        """Copy a large file to its place."""
        file = self._at(path)
        part = _part(file)
        with _told(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, part)
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)

    def _at(self, path: str) -> Path:
        return Path(self.url).expanduser() / path

    @contextmanager
    def _writing(self, file: Path) -> Iterator[None]:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(file):
            yield


def _put(file: Path, data: bytes) -> None:
    part = _part(file)
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.{uuid4().hex}")


def _tag(data: bytes) -> str:
    return sha256(data).hexdigest()


@contextmanager
def _told(file: Path) -> Iterator[Path]:
    try:
        yield file
    except FileNotFoundError as error:
        raise MissingFileError(f"{file}: no such file") from error
    except OSError as error:
        raise StoreError(f"{file}: {error.strerror or error}") from error
