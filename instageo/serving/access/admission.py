"""Admit requests to what the server has: places in its queue, and memory for their images."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from instageo.serving.errors import HTTPProblem
from instageo.serving.settings import RequestLimits

POLL_S = 0.2
"""Seconds between two looks at whether the client still waits."""


class Place:
    """The place of a request, held until the request has ended and with it every thread that works for it.

    Attributes:
        abandoned: Set once the client has gone, so that nobody needs the result.

    Args:
        release: Called when the last holder has left.
    """

    def __init__(self, release: Callable[[], None]) -> None:
        self.abandoned = threading.Event()
        self._release, self._holders, self._lock = release, 1, threading.Lock()

    def hold(self) -> None:
        """Count one more holder."""
        with self._lock:
            self._holders += 1

    def leave(self) -> None:
        """Count one holder less."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._release()

    def check(self) -> None:
        """Raise HTTPProblem if the client has gone."""
        if self.abandoned.is_set():
            raise HTTPProblem(503, "the client has gone")


current_place: ContextVar[Place | None] = ContextVar("current_place", default=None)
"""The place of the request that this code runs for; None outside of requests for predictions."""


class Admission:
    """Places and memory of one process that answers HTTP.

    Args:
        places: Requests at a time.
        memory_bytes: Memory for the images of all of them together.
    """

    def __init__(self, places: int, memory_bytes: int) -> None:
        self.places, self.memory_bytes = places, memory_bytes
        self.taken, self.reserved = 0, 0
        self._changed = threading.Condition()

    @staticmethod
    def from_limits(limits: RequestLimits) -> "Admission":
        """Return the admission that the limits of requests describe."""
        return Admission(limits.max_concurrency, limits.memory_mb * 1_000_000)

    def enter(self) -> Place | None:
        """Return a place; None if all are taken."""
        with self._changed:
            if self.taken >= self.places:
                return None
            self.taken += 1
        return Place(self._free_place)

    @contextmanager
    def memory(self, needed: int, deadline: float) -> Iterator[None]:
        """Reserve memory while this block lasts; wait for it if other requests have it.

        Args:
            needed: Bytes.
            deadline: When to give up, by `time.monotonic`.

        Raises:
            HTTPProblem: It is more than the server has (413), or none becomes free in time (503).
        """
        if needed > self.memory_bytes:
            raise HTTPProblem(
                413,
                f"the image needs about {needed / 1e6:.0f} MB of memory; the limit of this server is "
                f"{self.memory_bytes / 1e6:.0f} MB, for all requests together",
            )
        place = current_place.get()
        with self._changed:
            while self.reserved + needed > self.memory_bytes:
                if place is not None:
                    place.check()
                if time.monotonic() > deadline:
                    raise HTTPProblem(503, "no memory was free within the time limit", {"Retry-After": "10"})
                self._changed.wait(POLL_S)
            self.reserved += needed
        try:
            yield
        finally:
            with self._changed:
                self.reserved -= needed
                self._changed.notify_all()

    def _free_place(self) -> None:
        with self._changed:
            self.taken -= 1
