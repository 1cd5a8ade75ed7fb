"""Object stores and web servers through obstore: one client with conditional writes for all of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore import exceptions
from obstore.store import from_url

from instageo.gdal_access import explain
from instageo.locations import hide_secrets
from instageo.stores.base import (
    WRITABLE,
    ChangedError,
    ExistsError,
    FileInfo,
    MissingFileError,
    RangesError,
    StoredObject,
    StoreError,
)
from instageo.stores.credentials import client_settings
from instageo.stores.retry import failure_reason, is_transient, retry

TIMEOUTS = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(hours=1),
}
"""How long a connection, the next bytes, and a whole request may take."""

LARGE = 64 << 20
"""Bytes from which a file is uploaded in parts."""

PART = 16 << 20
"""Bytes of a part, a few of which are in memory at once."""


@dataclass(frozen=True)
class ObjectStore:
    """Files below a URL.

    Attributes:
        url: `scheme://bucket/prefix`.
        client: Of obstore, for that place.
    """

    url: str
    client: Any

    def read(self, path: str) -> StoredObject:
        """All of a small file."""

        def work() -> StoredObject:
            found = obstore.get(self.client, path)
            return StoredObject(bytes(found.bytes()), _tag(found.meta))

        found: StoredObject = self._try(path, work)
        return found

    def facts(self, path: str) -> FileInfo:
        """Its size and tag."""

        def work() -> FileInfo:
            found = obstore.head(self.client, path)
            return FileInfo(found["size"], found["e_tag"] or "")

        told: FileInfo = self._try(path, work)
        return told

    def piece(self, path: str, start: int, end: int, tag: str) -> memoryview:
        """Bytes from `start` to before `end`."""
        options: Any = {"range": (start, end), **({"if_match": tag} if tag else {})}

        def work() -> memoryview:
            data = memoryview(obstore.get(self.client, path, options=options).bytes())  # not copied
            if len(data) != end - start:
                raise StoreError(f"{self._name(path)}: sent {len(data)} bytes instead of {end - start}")
            return data

        sent: memoryview = self._try(path, work)
        return sent

    def whole(self, path: str, target: Path) -> None:
        """Write all of a file to `target`."""

        def work() -> None:
            with target.open("wb") as copy:
                for block in obstore.get(self.client, path):
                    copy.write(block)

        self._try(path, work)

    def create(self, path: str, data: bytes) -> None:
        """Write a new file, if there is none."""
        self._refuse_reading_only(path)
        self._try(path, lambda: obstore.put(self.client, path, data, mode="create"))

    def replace(self, path: str, data: bytes, tag: str) -> None:
        """Write a file in place of the one with that tag."""
        self._refuse_reading_only(path)
        e_tag, _, version = tag.partition("\n")
        mode: Any = {key: value for key, value in (("e_tag", e_tag), ("version", version)) if value}
        self._try(path, lambda: obstore.put(self.client, path, data, mode=mode))

    def upload(self, path: str, source: Path) -> None:
        """Write a large file, in parts where that is worth it."""
        self._refuse_reading_only(path)
        parts: Any = {"use_multipart": source.stat().st_size >= LARGE, "chunk_size": PART, "max_concurrency": 4}
        self._try(path, lambda: obstore.put(self.client, path, source, **parts))

    def _refuse_reading_only(self, path: str) -> None:
        if self.url.partition("://")[0].lower() not in WRITABLE:
            raise StoreError(
                f"{self._name(path)}: nothing can be written over http; name the store itself: "
                f"{', '.join(f'{scheme}://' for scheme in WRITABLE)} or a folder"
            )

    def _name(self, path: str) -> str:
        return f"{self.url}/{path}"

    def _try(self, path: str, work: Callable[[], Any]) -> Any:
        with self._told(path):
            return retry(work, hide_secrets(self._name(path)), exceptions.GenericError)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        name = self._name(path)
        try:
            yield
        except FileNotFoundError as error:
            raise MissingFileError(f"{name}: no such file (the store answers 404)") from error
        except exceptions.AlreadyExistsError as error:
            raise ExistsError(f"{name}: is there already") from error
        except exceptions.PreconditionError as error:
            raise ChangedError(f"{name}: has been changed by somebody else") from error
        except exceptions.NotSupportedError as error:
            raise RangesError(f"{name}: the server gives files only whole") from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise StoreError(str(explain(name, PermissionError(failure_reason(error))))) from error
        except exceptions.BaseError as error:
            told = explain(name, ConnectionError(failure_reason(error))) if is_transient(error) else None
            raise StoreError(told or f"{name}: {str(error).splitlines()[0]}") from error


def open_object_store(url: str) -> ObjectStore:
    """The store at a URL, with the credentials that the environment holds.

    Raises:
        StoreError: The URL names no bucket or host.
    """
    kept = url.rstrip("/")
    try:
        client = from_url(kept, retry_config={"max_retries": 0}, **client_settings(kept, TIMEOUTS))
    except exceptions.BaseError as error:
        raise StoreError(f"{kept}: {str(error).splitlines()[0]}") from error
    return ObjectStore(kept, client)


def _tag(meta: Mapping[str, Any]) -> str:
    """Both names that a store may have for a content: its ETag and, behind a line break, its generation."""
    return f"{meta['e_tag'] or ''}\n{meta['version'] or ''}"
