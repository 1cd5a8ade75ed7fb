"""The interface of a store of files, its errors, and the URLs of files in it."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from instageo.errors import InstaGeoError
from instageo.locations import is_remote

WRITABLE_SCHEMES = ("gs", "s3", "az")
"""Schemes of stores that files can be written to; http and https are read-only."""

SCHEMES = (*WRITABLE_SCHEMES, "http", "https")


class StoreError(InstaGeoError):
    """A file in a store cannot be read or written."""


class MissingFileError(StoreError):
    """The file does not exist."""


class ExistsError(StoreError):
    """A file that was to be created already exists."""


class ChangedError(StoreError):
    """A file has changed since it was last read."""


class RangesError(StoreError):
    """A server does not support range requests and sends only whole files."""


@dataclass(frozen=True)
class StoredObject:
    """A file as read.

    Attributes:
        data: Its bytes.
        etag: The store's identifier of this content: a generation, an ETag, or a hash of the bytes.
    """

    data: bytes
    etag: str


@dataclass(frozen=True)
class FileInfo:
    """Size and identifier of a file in a store, known without reading it.

    Attributes:
        size: Bytes.
        etag: As in `StoredObject`; empty if the store has none.
    """

    size: int
    etag: str


class Store(Protocol):
    """Files below one folder or URL. Paths are relative to it, with `/` as separator.

    Each method raises `MissingFileError` if the file does not exist and `StoreError` if it cannot be accessed.
    """

    @property
    def url(self) -> str:
        """The folder or URL that paths are relative to."""

    def read(self, path: str) -> StoredObject:
        """Read all of a small file."""

    def stat(self, path: str) -> FileInfo:
        """Return a file's size and ETag without reading it."""

    def list_files(self) -> Iterator[tuple[str, FileInfo]]:
        """Yield path, size and ETag of every file, at any depth; web servers cannot."""

    def read_range(self, path: str, start: int, end: int, etag: str) -> memoryview:
        """Read the bytes from `start` up to, not including, `end`.

        Raises:
            ChangedError: The file has another ETag.
            RangesError: The server sends only whole files.
        """

    def download_to(self, path: str, target: Path) -> None:
        """Write all of a file to `target`, in bounded memory."""

    def create(self, path: str, data: bytes) -> None:
        """Write a new file, whole or not at all.

        Raises:
            ExistsError: The file already exists.
        """

    def replace_if_match(self, path: str, data: bytes, etag: str) -> None:
        """Replace a file if it still has that ETag, whole or not at all.

        Raises:
            ChangedError: The file has another ETag.
        """

    def upload(self, path: str, source: Path) -> None:
        """Write a large file, whole or not at all, in bounded memory."""


def split_url(url: str) -> tuple[str, str]:
    """Split a file's location into its folder and its name.

    Args:
        url: `scheme://bucket/folder/file` or a local path.

    Raises:
        StoreError: The location has no file name, or an unknown scheme.
    """
    folder, _, name = url.rpartition("/")
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() not in SCHEMES:
        raise StoreError(f"{url}: unknown scheme '{scheme}'; expected a local path or one of {', '.join(SCHEMES)}")
    if not name or (separator and "/" not in rest):
        example = f"{scheme}://bucket/registry.yaml" if separator else "folder/registry.yaml"
        raise StoreError(f"{url}: has no file name; expected a location such as {example}")
    return folder or ("/" if url.startswith("/") else "."), name


def child_url(root: str, name: str) -> str:
    """Return the location of a folder or file that a manifest lists.

    Args:
        root: Folder or URL of the manifest.
        name: A URL, an absolute path, or a path relative to `root` that stays below it.

    Raises:
        StoreError: The path leaves `root`, or is a local path although the manifest is in a remote store.
    """
    if name.startswith("/vsi"):
        raise StoreError(f"{root}: lists '{name}', a virtual path of GDAL; expected a URL or a path below the manifest")
    if is_remote(name):
        return name.rstrip("/")
    if name.startswith("/") and not is_remote(root):
        return posixpath.normpath(name)
    relative = posixpath.normpath(name)
    if name.startswith("/") or relative.startswith("..") or "\\" in name:
        raise StoreError(f"{root}: lists '{name}', which is outside; expected a URL or a path below the manifest")
    return root if relative == "." else f"{root.rstrip('/')}/{relative}"
