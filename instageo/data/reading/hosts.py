"""Limits of the requests to one host, and an end when it answers none of them."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from instageo.errors import InstaGeoError
from instageo.locations import is_remote

MAX_FAILURES = 20
"""Files of one host that may fail one after the other."""


class HostDownError(InstaGeoError):
    """A host has refused many files in a row."""


class Hosts:
    """Counts the files that are read from each host.

    Args:
        per_host: Largest number of files that are read from one host at a time.
        max_failures: Files of one host that may fail one after the other.
    """

    def __init__(self, per_host: int, max_failures: int = MAX_FAILURES) -> None:
        self._max_failures = max_failures
        self._lock = threading.Lock()
        self._slots: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(per_host))
        self._failures: defaultdict[str, int] = defaultdict(int)

    @contextmanager
    def place(self, location: str) -> Iterator[None]:
        """Wait until the host of a file has a free slot, and hold it inside this block."""
        with self._lock:
            slots = self._slots[host_of(location)]
        with slots:
            yield

    def succeed(self, location: str) -> None:
        """Note that the host of a file answers."""
        with self._lock:
            self._failures[host_of(location)] = 0

    def fail(self, location: str, reason: str) -> None:
        """Note that the host of a file did not give it.

        Raises:
            HostDownError: It was one too many.
        """
        host = host_of(location)
        with self._lock:
            self._failures[host] += 1
            too_many = host and self._failures[host] >= self._max_failures
        if too_many:
            raise HostDownError(
                f"{host}: {self._max_failures} files in a row could not be read (the last one: {reason}); try again "
                "later, what has been written is kept"
            )


def host_of(location: str) -> str:
    """Return the host or bucket of a location; empty for a local file."""
    if not is_remote(location):
        return ""
    parts = urlsplit(location.removeprefix("/vsicurl/"))
    return parts.netloc.rpartition("@")[2] or location.split("/")[2]
