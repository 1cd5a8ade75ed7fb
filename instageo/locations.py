"""Where a file lies: a local path, or the URL of a store. URLs stay text: `pathlib` would collapse their slashes."""

import os
import posixpath
import re
import sys
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

VIRTUAL = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/", "http": "/vsicurl/http://", "https": "/vsicurl/https://"}
"""Schemes of stores, and what GDAL reads them through."""

EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}
"""Extra that brings the package of a scheme; all others come with `data`."""

STORE_ERRORS = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "azure.core.exceptions": "AzureError",
}
"""Errors of stores' packages that are no `OSError`, by their module."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_VIRTUAL_PATH = re.compile(r"/vsi[a-z0-9_]+/")
_IN_URLS = "%/:?#[]@!$&'()*+,;=~"
_USER = re.compile(r"(://)[^/?#@\s]*@")
_QUERY = re.compile(r"(https?://[^\s?]*)\?[^\s'\"]*?(?=[:;,.)]*(?:[\s'\"]|$))", re.IGNORECASE)


def is_remote(location: str | Path) -> bool:
    """Whether it is a URL or one of GDAL's virtual paths (`/vsi…`) rather than a path of this machine."""
    return bool(_URL.match(str(location)) or _VIRTUAL_PATH.match(str(location)))


def join(root: str | Path, name: str) -> str:
    """The location of a file that a table names.

    Args:
        root: Folder or URL that relative names start from; the query of an http URL stays behind the name.
        name: Relative to `root`; an absolute path, a URL or a virtual path stays as it is.
    """
    if is_remote(name):
        return name
    if not is_remote(root) or name.startswith("/"):
        return str(Path(root) / name)
    base, query = _without_query(str(root))
    base, name = base.rstrip("/"), posixpath.normpath(name)
    while name.startswith("../"):
        base, name = posixpath.dirname(base), name[3:]
    return f"{base}/{name}{query}"


def relative_path(location: str, root: str | Path) -> PurePath:
    """The path of a file below `root`; for a file elsewhere, its whole path without the leading slash.

    The whole path of a URL starts with its host or bucket, a port set off by `_`, and lacks users and queries.
    """
    path, start = _absolute(location), _absolute(str(root))
    if path.is_relative_to(start):
        return path.relative_to(start)
    return PurePosixPath(*path.parts[1:]) if is_remote(location) else path.relative_to(path.anchor)


def gdal_path(location: str) -> str:
    """What GDAL opens the location as.

    Raises:
        ValueError: It is a URL of a scheme that is not in `VIRTUAL`.
    """
    scheme, _, rest = location.partition("://")
    if not _URL.match(location):
        return location
    if scheme.lower() not in VIRTUAL:
        raise ValueError(f"unknown scheme '{scheme}'; expected a local path or one of {', '.join(VIRTUAL)}")
    return VIRTUAL[scheme.lower()] + (quote(rest, safe=_IN_URLS) if scheme.lower().startswith("http") else rest)


def hide_secrets(text: str) -> str:
    """The text with users, passwords and queries (where signed URLs carry their key) left out of its URLs."""
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))


def file_stamp(location: str | Path) -> str | None:
    """What changes when the content of a file changes, found without reading it: its size and time or checksum.

    Returns:
        Text to compare; None where there is no such file, or its store does not tell.
    """
    text = str(location)
    try:
        if not is_remote(text):
            found = Path(text).stat()
            return f"{found.st_size}:{found.st_mtime_ns}"
        store, path = _store(text)
        info = store.info(path)
    except store_exceptions():
        return None
    known = [str(info[key]) for key in ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified") if info.get(key)]
    return f"{info.get('size')}:{known[0]}" if known else None


def read_bytes(location: str) -> bytes:
    """The content of a file in a store.

    Raises:
        ModuleNotFoundError: The package for its scheme is not installed; the message names the extra that brings it.
        failures(): It cannot be had.
    """
    store, path = _store(location)
    content: bytes = store.cat_file(path)
    return content


def store_exceptions() -> tuple[type[BaseException], ...]:
    """What `fsspec` and the packages of stores raise; to be asked for in an `except` clause."""
    loaded = [getattr(sys.modules[name], error) for name, error in STORE_ERRORS.items() if name in sys.modules]
    return (OSError, ValueError, ImportError, *loaded)


def _store(location: str) -> tuple[Any, str]:
    """The file system of a URL, and its path there.

    Raises:
        ModuleNotFoundError: The package for its scheme is not installed.
        ValueError: Its scheme is not known.
    """
    scheme, mark, rest = location.partition("://")
    options = {"client_kwargs": {"trust_env": True}} if scheme.lower() in ("http", "https") else {}
    try:
        import fsspec

        store, path = fsspec.url_to_fs(scheme.lower() + mark + rest, **options)
    except ImportError as error:
        extra = EXTRAS.get(scheme.lower(), "data")
        raise ModuleNotFoundError(
            f"{scheme}:// needs a package that is not installed ({error}); install the extra: "
            f"pip install 'instageo-model[{extra}]'"
        ) from error
    return store, path


def _without_query(url: str) -> tuple[str, str]:
    """An http URL without its query, and the query with its mark; other URLs have none."""
    base, mark, query = url.partition("?") if url.lower().startswith("http") else (url, "", "")
    return base, mark + query


def _absolute(location: str) -> PurePath:
    """Scheme, host or bucket, and path of a URL; else the absolute path."""
    if not is_remote(location):
        return PurePath(os.path.abspath(location))
    scheme, mark, rest = _without_query(_USER.sub(r"\1", location))[0].rpartition("://")
    host, _, path = rest.partition("/") if mark else ("", "", rest)
    return PurePosixPath(f"{scheme.lower()}:", host.replace(":", "_"), posixpath.normpath(f"/{path}").lstrip("/"))
