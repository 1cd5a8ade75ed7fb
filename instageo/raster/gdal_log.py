"""Messages of GDAL and rasterio: the keys of signed URLs are hidden, and missing georeference is no reason to warn."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

from instageo.locations import hide_secrets

LOGGERS = ("rasterio._env", "rasterio._err")
"""Loggers that pass on what GDAL says."""

_lock = Lock()
_blocks: list[ExitStack] = []
"""One entry for each block of any thread that ignores missing georeference: filters belong to the process."""

_QUERY_OF_NAME = re.compile(r"(\.\w+)\?[^\s:]+")
"""The query behind the name of a file: GDAL begins some messages with the last part of a URL, without its host."""


def hide_secrets_in_log() -> None:
    """Remove users, passwords and queries from the URLs that GDAL logs, from now on."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_hide)  # the same filter is added only once


@contextmanager
def ignore_missing_georeference() -> Iterator[None]:
    """Silence rasterio's warning about files without a georeference, which are allowed, in this block or function."""
    with _lock:
        filters = _blocks[0] if _blocks else ExitStack()
        if not _blocks:
            filters.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message="Dataset has no geotransform")
        _blocks.append(filters)
    try:
        yield
    finally:
        with _lock:
            _blocks.pop()
            if not _blocks:
                filters.close()


def _hide(record: logging.LogRecord) -> bool:
    record.msg, record.args = _QUERY_OF_NAME.sub(r"\1", hide_secrets(record.getMessage())), ()
    return True
