"""Tell whether a raster has changed, without reading it whole."""

import logging
from hashlib import sha256
from pathlib import Path, PurePosixPath

from instageo.errors import RasterError
from instageo.locations import GDAL_PREFIXES, file_stamp, hide_secrets, is_remote
from instageo.raster.reading import open_raster

log = logging.getLogger(__name__)

SAMPLED_BYTES = 1 << 16
"""Bytes at the beginning and at the end of a file that its checksum covers."""

ARCHIVES = ("/vsizip/", "/vsitar/", "/vsigzip/")


def file_fingerprint(path: str) -> list[dict[str, object]]:
    """Return what changes when a raster changes, as JSON takes it, for it and for each file that a VRT refers to.

    Local files, and archives for files in them, have their size, modification time and the SHA-256 of their first and
    last 64 KB, with a stamp of side-car files; URLs have the size and checksum that the server reports.

    Raises:
        RasterError: A file is missing, or is no raster.
    """
    files = [path]
    if str(path).lower().endswith(".vrt"):
        with open_raster(path) as raster:
            files += [file for file in raster.source.files if file not in files]
    return [_fingerprint(file) for file in files]


def _fingerprint(path: str) -> dict[str, object]:
    archive = _archive(path)
    local = archive or path
    name = PurePosixPath(hide_secrets(path)).name
    if is_remote(local):
        stamp = file_stamp(_url(path))
        if stamp is None:
            log.warning(
                "%s: its server reports neither checksum nor time, so changes of its content go unnoticed; use "
                "overwrite if it has changed",
                hide_secrets(path),
            )
        return {"name": name, "stamp": stamp}
    try:
        with Path(local).open("rb") as file:
            first = file.read(SAMPLED_BYTES)
            size = file.seek(0, 2)
            file.seek(max(size - SAMPLED_BYTES, 0))
            digest = sha256(first + file.read()).hexdigest()
    except OSError as error:
        raise RasterError(f"{local}: cannot be read ({error.strerror})") from error
    modified = Path(local).stat().st_mtime_ns
    return {"name": name, "size": size, "mtime_ns": modified, "sha256": digest, "stamp": file_stamp(local)}


def _archive(path: str) -> str | None:
    """Return the local archive that holds a file; None if it is in none."""
    prefix = next((prefix for prefix in ARCHIVES if path.startswith(prefix)), None)
    if prefix is None:
        return None
    inner = Path(path.removeprefix(prefix).replace("{", "").replace("}", ""))
    return next((str(parent) for parent in (inner, *inner.parents) if parent.is_file()), None)


def _url(path: str) -> str:
    """Return the URL of a path of GDAL's virtual file systems; other locations unchanged."""
    for scheme, prefix in GDAL_PREFIXES.items():
        if path.startswith(prefix):
            return f"{scheme}://{path.removeprefix(prefix)}"
    return path
