"""Where a registry's files lie: one small way to read, create and replace them, whatever the store."""

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from instageo.errors import InstaGeoError
from instageo.locations import is_remote

WRITABLE = ("gs", "s3", "az")
"""Schemes of stores that new files can go to; those of http(s) are for reading."""

SCHEMES = (*WRITABLE, "http", "https")


class StoreError(InstaGeoError):
    """A file in a store cannot be had or written."""


class MissingFileError(StoreError):
    """There is no such file."""


class ExistsError(StoreError):
    """A file that was to be created is there already."""


class ChangedError(StoreError):
    """A file is no longer what it was when it was looked at."""


class RangesError(StoreError):
    """A server gives files only whole."""


@dataclass(frozen=True)
class StoredObject:
    """A file as read.

    Attributes:
        data: Its bytes.
        tag: What the store calls this content: a generation, an ETag, or a hash of the bytes.
    """

    data: bytes
    tag: str


@dataclass(frozen=True)
class FileInfo:
    """What a store tells of a file without sending it.

    Attributes:
        size: Bytes.
        tag: As in `Content`; empty where the store has none.
    """

    size: int
    tag: str


class Store(Protocol):
    """Files below one place. Paths are relative to it, with `/` between their parts.

    Each method raises `MissingFileError` where the file is missing and `StoreError` where it cannot be had.
    """

    @property
    def url(self) -> str:
        """The place."""

    def read(self, path: str) -> StoredObject:
        """All of a small file."""

    def facts(self, path: str) -> FileInfo:
        """Its size and tag."""

    def piece(self, path: str, start: int, end: int, tag: str) -> memoryview:
        """Bytes from `start` to before `end`.

        Raises:
            ChangedError: The file's tag is another one.
            RangesError: The server gives files only whole.
        """

    def whole(self, path: str, target: Path) -> None:
        """Write all of a file to `target`, in bounded memory."""

    def create(self, path: str, data: bytes) -> None:
        """Write a new file, whole or not at all.

        Raises:
            ExistsError: There is one.
        """

    def replace(self, path: str, data: bytes, tag: str) -> None:
        """Write a file in place of the one with that tag, whole or not at all.

        Raises:
            ChangedError: The file there is another one.
        """

    def upload(self, path: str, source: Path) -> None:
        """Write a large file, whole or not at all, in bounded memory."""


def split_url(url: str) -> tuple[str, str]:
    """The place and the name of a file.

    Args:
        url: `scheme://bucket/folder/file` or a local path.

    Raises:
        StoreError: It names no file, or its scheme is not known.
    """
    place, _, name = url.rpartition("/")
    scheme, mark, rest = url.partition("://")
    if mark and not re.fullmatch("|".join(SCHEMES), scheme.lower()):
        raise StoreError(f"{url}: unknown scheme '{scheme}'; expected a local path or one of {', '.join(SCHEMES)}")
    if not name or (mark and "/" not in rest):
        raise StoreError(f"{url}: names no file; expected {scheme + mark if mark else ''}…/registry.yaml, for instance")
    return place or ("/" if url.startswith("/") else "."), name


def child_url(root: str, name: str) -> str:
    """The location of what a manifest names.

    Args:
        root: The manifest's own folder or URL.
        name: A URL, an absolute path, or a path relative to `root` that does not leave it.

    Raises:
        StoreError: It leaves `root`, or is a path of this machine although the manifest lies elsewhere.
    """
    if is_remote(name):
        return name.rstrip("/")
    if name.startswith("/") and not is_remote(root):
        return posixpath.normpath(name)
    kept = posixpath.normpath(name)
    if name.startswith("/") or kept.startswith("..") or "\\" in name:
        raise StoreError(f"{root}: names '{name}', which lies outside; expected a URL or a path below the manifest")
    return root if kept == "." else f"{root.rstrip('/')}/{kept}"
