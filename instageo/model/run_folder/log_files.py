"""What happens if the log files of a run, or those of TensorBoard, cannot be written."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from instageo.files import DISK_ERRORS, describe_disk_error

log = logging.getLogger("instageo")


def report_failures() -> None:
    """Say once, in a sentence, that a log file cannot be written; logging itself shows a traceback for every line."""
    for handler in _file_handlers():
        handler.handleError = partial(_give_up, handler)  # type: ignore[method-assign]


@contextmanager
def quiet_threads() -> Iterator[None]:
    """Show no traceback of a thread whose disk is full: TensorBoard's raises its error again in the main thread."""
    before = threading.excepthook

    def report(arguments: threading.ExceptHookArgs) -> None:
        error = arguments.exc_value
        if not (isinstance(error, OSError) and error.errno in DISK_ERRORS):
            before(arguments)

    threading.excepthook = report
    try:
        yield
    finally:
        threading.excepthook = before


def log_to_files(sentence: str) -> None:
    """Write an error to the log files only."""
    record = log.makeRecord(log.name, logging.ERROR, __file__, 0, sentence, (), None)
    for handler in _file_handlers():
        if record.levelno >= handler.level:
            handler.emit(record)


def _file_handlers() -> list[logging.FileHandler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]


def _give_up(handler: logging.FileHandler, _: logging.LogRecord) -> None:
    """Close a log file after an error of the disk; a second thread may report it, too."""
    if handler.level > logging.CRITICAL:
        return
    error, path = sys.exc_info()[1], Path(handler.baseFilename)
    handler.setLevel(logging.CRITICAL + 1)  # it stays in the list of handlers, which is in use
    with suppress(OSError):
        handler.close()
    reason = describe_disk_error(error, path) if isinstance(error, OSError) else error
    log.warning("%s: cannot be written: %s; messages appear on the terminal only", path, reason)
