"""Messages that GDAL logs: the keys of signed URLs in them are hidden."""

import logging
import re

from instageo.locations import hide_secrets

LOGGERS = ("rasterio._env", "rasterio._err")
"""Loggers that pass on what GDAL says."""

_QUERY_OF_NAME = re.compile(r"(\.\w+)\?[^\s:]+")
"""The query behind the name of a file: GDAL begins some messages with the last part of a URL, without its host."""


def hide_secrets_in_log() -> None:
    """Remove users, passwords and queries from the URLs that GDAL logs, from now on."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_hide)  # the same filter is added only once


def _hide(record: logging.LogRecord) -> bool:
    record.msg, record.args = _QUERY_OF_NAME.sub(r"\1", hide_secrets(record.getMessage())), ()
    return True
