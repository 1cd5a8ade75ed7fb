"""Progress of long work, on stderr."""

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int) -> Iterable[Item]:
    """The same items, with a progress bar while they pass where stderr is a terminal."""
    console = Console(stderr=True)
    return rich_track(items, description, total, console=console, transient=True, disable=not console.is_terminal)
