"""Progress of long work on stderr: bars on a terminal, else log lines from time to time, both with the time left."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import track as rich_track

log = logging.getLogger(__name__)

Item = TypeVar("Item")

LOG_INTERVAL_S = 30.0
"""Seconds between two log lines about progress."""


class ProgressLog:
    """Logs from time to time how far work is, and how long it will still take.

    Args:
        description: What is done.
        total: Number of its steps.
        interval_s: Seconds between two lines; work that is done sooner is not logged.
    """

    def __init__(self, description: str, total: int, interval_s: float = LOG_INTERVAL_S) -> None:
        self.description, self.total, self.interval_s = description, total, interval_s
        self._start = self._last = time.monotonic()

    def update(self, done: int, note: str = "") -> None:
        """Log the number of finished steps, with a note, if it is time to."""
        now = time.monotonic()
        if now - self._last < self.interval_s or not 0 < done < self.total:
            return
        self._last = now
        left = (now - self._start) / done * (self.total - done)
        log.info("%s: %d of %d%s, about %s left", self.description, done, self.total, note, format_duration(left))


def format_duration(seconds: float) -> str:
    """Return a duration as minutes and seconds, with hours if there are any.

    Examples:
        >>> format_duration(75), format_duration(3725)
        ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def track(items: Iterable[Item], description: str, total: int) -> Iterable[Item]:
    """Return the same items, and show progress during iteration: a bar if stderr is a terminal, else log lines."""
    console = Console(stderr=True)
    if console.is_terminal:
        return rich_track(items, description, total, console=console, transient=True)
    return _log_progress(items, ProgressLog(description, total))


def _log_progress(items: Iterable[Item], progress: ProgressLog) -> Iterator[Item]:
    for done, item in enumerate(items, start=1):
        yield item
        progress.update(done)


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


@contextmanager
def step_progress(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of some steps are done: a bar if stderr is a terminal, else log lines from time to time.

    Yields:
        Function to call with the number of steps that are done, and of all steps.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (*Progress.get_default_columns(),)
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(description, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    started: list[ProgressLog] = []

    def update(done: int, total: int) -> None:
        if not started:
            started.append(ProgressLog(description, total))
        started[0].update(done)

    yield update
