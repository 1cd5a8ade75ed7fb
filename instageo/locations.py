"""Locations of files: local paths and URLs of stores. URLs stay text because `pathlib` would collapse their slashes."""

import os
import posixpath
import re
import sys
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

from platformdirs import user_cache_path

GDAL_PREFIXES = {
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
}
"""GDAL's virtual file system by URL scheme."""

SIDE_CARS = (".msk", ".aux.xml")
"""Ends of the names of side-car files that decide which pixels of a raster count."""

SCHEME_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}
"""Extra that installs the package for a scheme; `data` installs all others."""

STORE_ERRORS = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "gcsfs.retry": "HttpError",
    "google.auth.exceptions": "GoogleAuthError",
    "azure.core.exceptions": "AzureError",
}
"""Exceptions of the stores' packages that do not derive from `OSError`, by module."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_VIRTUAL_PATH = re.compile(r"/vsi[a-z0-9_]+/")
_SAFE_IN_URLS = "%/:?#[]@!$&'()*+,;=~"
_USER = re.compile(r"(://)[^/?#@\s]*@")
_QUERY = re.compile(r"(https?://[^\s?]*)\?[^\s'\"]*?(?=[:;,.)]*(?:[\s'\"]|$))", re.IGNORECASE)


def is_remote(location: str | Path) -> bool:
    """Return whether a location is a URL or one of GDAL's virtual paths (`/vsi…`) rather than a local path."""
    return bool(_URL.match(str(location)) or _VIRTUAL_PATH.match(str(location)))


def join_location(root: str | Path, name: str) -> str:
    """Return the location of a file that a table names.

    Args:
        root: Folder or URL that relative names start from; the query of an http URL is moved behind the name.
        name: Relative to `root`; an absolute path, a URL or a virtual path stays as it is.
    """
    if is_remote(name):
        return name
    if not is_remote(root) or name.startswith("/"):
        return str(Path(root) / name)
    base, query = _split_query(str(root))
    base, name = base.rstrip("/"), posixpath.normpath(name)
    while name.startswith("../"):
        base, name = posixpath.dirname(base), name[3:]
    return f"{base}/{name}{query}"


def relative_path(location: str, root: str | Path) -> PurePath:
    """Return the path of a file relative to `root`; for a file elsewhere, its full path without the leading slash.

    The full path of a URL starts with its host or bucket, with `_` before a port, and omits user and query.
    """
    path, start = _absolute_path(location), _absolute_path(str(root))
    if path.is_relative_to(start):
        return path.relative_to(start)
    return PurePosixPath(*path.parts[1:]) if is_remote(location) else path.relative_to(path.anchor)


def gdal_path(location: str) -> str:
    """Return the path under which GDAL opens a location.

    Raises:
        ValueError: The location is a URL whose scheme is not in `GDAL_PREFIXES`.
    """
    scheme, _, rest = location.partition("://")
    if not _URL.match(location):
        return location
    if scheme.lower() not in GDAL_PREFIXES:
        raise ValueError(f"unknown scheme '{scheme}'; expected a local path or one of {', '.join(GDAL_PREFIXES)}")
    path = quote(rest, safe=_SAFE_IN_URLS) if scheme.lower().startswith("http") else rest
    return GDAL_PREFIXES[scheme.lower()] + path


def hide_secrets(text: str) -> str:
    """Return the text without the users, passwords and queries (which hold the key of signed URLs) of its URLs."""
    return _QUERY.sub(r"\1", _USER.sub(r"\1", text))


def file_stamp(location: str | Path) -> str | None:
    """Return a text that changes when a file's content changes: its size, and its modification time or checksum.

    The file itself is not read. For a local raster the side-car files of masks and tags belong to its content; those of
    remote rasters are not read either.

    Returns:
        Text to compare; None if the file does not exist or its store reports neither time nor checksum.
    """
    text = str(location)
    try:
        if not is_remote(text):
            status = Path(text).stat()
            return " ".join([f"{status.st_size}:{status.st_mtime_ns}", *_stamp_side_cars(text)])
        store, path = _open_file_system(text)
        info = store.info(path)
    except store_exceptions():
        return None
    versions = [str(info[key]) for key in ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified") if info.get(key)]
    return f"{info.get('size')}:{versions[0]}" if versions else None


def _stamp_side_cars(path: str) -> list[str]:
    """Return size and time of each side-car file that exists."""
    stamps = []
    for suffix in SIDE_CARS:
        with suppress(OSError):
            status = Path(path + suffix).stat()
            stamps.append(f"{suffix}:{status.st_size}:{status.st_mtime_ns}")
    return stamps


def read_bytes(location: str) -> bytes:
    """Read a file from a store.

    Raises:
        ModuleNotFoundError: The package for its scheme is not installed; the message names the extra to install.
        Exception: The file cannot be read; the exception is one of `store_exceptions()`.
    """
    store, path = _open_file_system(location)
    content: bytes = store.cat_file(path)
    return content


def store_exceptions() -> tuple[type[BaseException], ...]:
    """Return the exceptions that `fsspec` and the stores' packages raise; call it inside the `except` clause.

    Only packages that are already imported can have raised one, so none is imported here.
    """
    loaded = [getattr(sys.modules[name], error) for name, error in STORE_ERRORS.items() if name in sys.modules]
    return (OSError, ValueError, ImportError, *loaded)


def _open_file_system(location: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path there.

    Raises:
        ModuleNotFoundError: The package for its scheme is not installed.
        ValueError: Its scheme is unknown.
    """
    scheme, separator, rest = location.partition("://")
    options = {"client_kwargs": {"trust_env": True}} if scheme.lower() in ("http", "https") else {}
    try:
        import fsspec

        store, path = fsspec.url_to_fs(scheme.lower() + separator + rest, **options)
    except ImportError as error:
        extra = SCHEME_EXTRAS.get(scheme.lower(), "data")
        raise ModuleNotFoundError(
            f"{scheme}:// needs a package that is not installed ({error}); install the extra: "
            f"pip install 'instageo-model[{extra}]'"
        ) from error
    return store, path


def _split_query(url: str) -> tuple[str, str]:
    """Split an http URL into the part before its query, and the query with its `?`; other URLs have no query."""
    base, question_mark, query = url.partition("?") if url.lower().startswith("http") else (url, "", "")
    return base, question_mark + query


def _absolute_path(location: str) -> PurePath:
    """Return scheme, host or bucket, and path of a URL as one path; for a local path, the absolute path."""
    if not is_remote(location):
        return PurePath(os.path.abspath(location))
    scheme, separator, rest = _split_query(_USER.sub(r"\1", location))[0].rpartition("://")
    host, _, path = rest.partition("/") if separator else ("", "", rest)
    return PurePosixPath(f"{scheme.lower()}:", host.replace(":", "_"), posixpath.normpath(f"/{path}").lstrip("/"))


def user_cache() -> Path:
    """Return the folder that this program may fill with files it can make or fetch again; it may not exist yet.

    It is `$INSTAGEO_CACHE`, else the cache folder of the operating system: on Linux `~/.cache/instageo`, where
    `$XDG_CACHE_HOME` replaces `~/.cache`.
    """
    chosen = os.environ.get("INSTAGEO_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("instageo", appauthor=False)
