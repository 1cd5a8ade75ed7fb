"""Object stores and web servers through obstore: one client with conditional writes for all of them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore import exceptions
from obstore.store import from_url

from instageo.gdal_access import explain_failure
from instageo.locations import hide_secrets
from instageo.stores.base import (
    WRITABLE_SCHEMES,
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

Result = TypeVar("Result")

TIMEOUTS = {
    "connect_timeout": timedelta(seconds=10),
    "read_timeout": timedelta(seconds=60),
    "timeout": timedelta(hours=1),
}
"""Time-outs for a connection, for the next bytes, and for a whole request."""

MULTIPART_THRESHOLD = 64 << 20
"""Bytes from which a file is uploaded in parts."""

MULTIPART_CHUNK_SIZE = 16 << 20
"""Bytes of a part; a few parts are in memory at once."""


@dataclass(frozen=True)
class ObjectStore:
    """Files below a URL.

    Attributes:
        url: `scheme://bucket/prefix`.
        client: obstore's client for that URL.
    """

    url: str
    client: Any

    def read(self, path: str) -> StoredObject:
        """Read all of a small file."""

        def request() -> StoredObject:
            response = obstore.get(self.client, path)
            return StoredObject(bytes(response.bytes()), _etag_and_generation(response.meta))

        return self._retry(path, request)

    def stat(self, path: str) -> FileInfo:
        """Return a file's size and ETag."""

        def request() -> FileInfo:
            metadata = obstore.head(self.client, path)
            return FileInfo(metadata["size"], metadata["e_tag"] or "")

        return self._retry(path, request)

    def list_files(self) -> Iterator[tuple[str, FileInfo]]:
        """Yield path, size and ETag of every file; folders that some tools store as empty objects are left out.

        Raises:
            StoreError: The store cannot be read, or is a web server.
        """
        if self.url.partition("://")[0].lower() not in WRITABLE_SCHEMES:
            raise StoreError(f"{self.url}: a web server does not list its files; name each of them")
        prefix = self.url.partition("://")[2].partition("/")[2]
        records = self._retry("", lambda: [record for page in obstore.list(self.client) for record in page])
        for record in records:
            path = record["path"].removeprefix(f"{prefix}/") if prefix else record["path"]
            if path and not path.endswith("/"):
                yield path, FileInfo(record["size"], record["e_tag"] or "")

    def read_range(self, path: str, start: int, end: int, etag: str) -> memoryview:
        """Read the bytes from `start` up to, not including, `end`."""
        options: Any = {"range": (start, end), **({"if_match": etag} if etag else {})}

        def request() -> memoryview:
            data = memoryview(obstore.get(self.client, path, options=options).bytes())  # not copied
            if len(data) != end - start:
                raise StoreError(f"{self.url}/{path}: sent {len(data)} bytes instead of {end - start}")
            return data

        return self._retry(path, request)

    def download_to(self, path: str, target: Path) -> None:
        """Write all of a file to `target`."""

        def request() -> None:
            with target.open("wb") as file:
                for block in obstore.get(self.client, path):
                    file.write(block)

        self._retry(path, request)

    def create(self, path: str, data: bytes) -> None:
        """Write a new file if none exists."""
        self._check_writable(path)
        self._retry(path, lambda: obstore.put(self.client, path, data, mode="create"))

    def replace_if_match(self, path: str, data: bytes, etag: str) -> None:
        """Replace a file if it still has that ETag and generation."""
        self._check_writable(path)
        e_tag, _, version = etag.partition("\n")
        mode: Any = {key: value for key, value in (("e_tag", e_tag), ("version", version)) if value}
        self._retry(path, lambda: obstore.put(self.client, path, data, mode=mode))

    def upload(self, path: str, source: Path) -> None:
        """Write a large file, in parts from `MULTIPART_THRESHOLD` on."""
        self._check_writable(path)
        options: Any = {
            "use_multipart": source.stat().st_size >= MULTIPART_THRESHOLD,
            "chunk_size": MULTIPART_CHUNK_SIZE,
            "max_concurrency": 4,
        }
        self._retry(path, lambda: obstore.put(self.client, path, source, **options))

    def _check_writable(self, path: str) -> None:
        if self.url.partition("://")[0].lower() not in WRITABLE_SCHEMES:
            raise StoreError(
                f"{self.url}/{path}: http is read-only; write to the store itself, by a URL that begins with "
                f"{', '.join(f'{scheme}://' for scheme in WRITABLE_SCHEMES)}, or to a folder"
            )

    def _retry(self, path: str, request: Callable[[], Result]) -> Result:
        location = f"{self.url}/{path}"
        with _store_errors(location):
            return retry(request, hide_secrets(location), exceptions.GenericError)


@contextmanager
def _store_errors(location: str) -> Iterator[None]:
    """Turn obstore's exceptions into this package's, with what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingFileError(f"{location}: no such file (the store answers 404)") from error
    except exceptions.AlreadyExistsError as error:
        raise ExistsError(f"{location}: already exists") from error
    except exceptions.PreconditionError as error:
        raise ChangedError(f"{location}: somebody else has changed it") from error
    except exceptions.NotSupportedError as error:
        raise RangesError(f"{location}: the server does not support range requests") from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise StoreError(str(explain_failure(location, PermissionError(failure_reason(error))))) from error
    except exceptions.BaseError as error:
        reason = explain_failure(location, ConnectionError(failure_reason(error))) if is_transient(error) else None
        raise StoreError(reason or f"{location}: {str(error).splitlines()[0]}") from error


def open_object_store(url: str) -> ObjectStore:
    """Open the store at a URL with the credentials of the environment.

    Raises:
        StoreError: The URL has no bucket or host.
    """
    url = url.rstrip("/")
    try:
        client = from_url(url, retry_config={"max_retries": 0}, **client_settings(url, TIMEOUTS))
    except exceptions.BaseError as error:
        raise StoreError(f"{url}: {str(error).splitlines()[0]}") from error
    return ObjectStore(url, client)


def _etag_and_generation(metadata: Mapping[str, Any]) -> str:
    """Return both identifiers that a store may have for a content: its ETag and, after a line break, its generation."""
    return f"{metadata['e_tag'] or ''}\n{metadata['version'] or ''}"
