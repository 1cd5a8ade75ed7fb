"""Progress bars and log lines on stderr."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import track as rich_track

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int) -> Iterable[Item]:
    """Return the same items, with a progress bar during iteration if stderr is a terminal."""
    console = Console(stderr=True)
    return rich_track(items, description, total, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def transfer_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of bytes with speed and time left if stderr is a terminal.

    Yields:
        Function that advances the bar by a number of bytes.
    """
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def log_to_stderr() -> Iterator[None]:
    """Write the log of this package to stderr, one line per message, inside this block."""
    log, handler = logging.getLogger("instageo"), logging.StreamHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
