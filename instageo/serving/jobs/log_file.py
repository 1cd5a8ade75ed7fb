"""A log of jobs in their folder: one line per change of a state, without areas, files or addresses of clients."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

NAME = "jobs.log"
"""File in the folder of jobs."""

MAX_LOG_BYTES = 1 << 20
"""Size from which a new file is begun; the one before is kept."""


@contextmanager
def log_to_folder(folder: Path) -> Iterator[None]:
    """Write what the modules of jobs log to a file in a folder during this block."""
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("instageo.serving.jobs")
    handler = RotatingFileHandler(folder / NAME, maxBytes=MAX_LOG_BYTES, backupCount=1, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.close()
