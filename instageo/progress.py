"""Progress of long work, on stderr."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import track as rich_track

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int) -> Iterable[Item]:
    """The same items, with a progress bar while they pass where stderr is a terminal."""
    console = Console(stderr=True)
    return rich_track(items, description, total, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def transferring(total: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes, with speed and time left, where stderr is a terminal; gives what moves it on by some bytes."""
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.advance(task, count)


@contextmanager
def telling() -> Iterator[None]:
    """What this program logs goes to stderr, a line each, while this block lasts."""
    log, handler = logging.getLogger("instageo"), logging.StreamHandler()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
