"""Admit requests to what the server has: places in its queue, and memory for their images."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from instageo.serving.access.upload import MIN_AGE_S, Upload
from instageo.serving.errors import WHEN_LESS_BUSY, HTTPProblem
from instageo.serving.settings import RequestLimits

POLL_S = 0.2
"""Seconds between two looks at whether the client still waits."""

TIME_OVER = "no result within the time limit of this server; try again later"


class Place:
    """The place of a request, held until the request has ended and with it every thread that works for it.

    Attributes:
        deadline: When the request ends, by `time.monotonic`.
        abandoned: Set once the client has gone or got another response, so that nobody needs the result.

    Args:
        release: Called when the last holder has left.
        deadline: When the request ends, by `time.monotonic`.
    """

    def __init__(self, release: Callable[[], None], deadline: float) -> None:
        self.deadline, self.abandoned = deadline, threading.Event()
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
        """Raise HTTPProblem (503) if the client has gone, or the time of the request is over."""
        if self.abandoned.is_set():
            raise HTTPProblem(503, "the client has gone")
        if time.monotonic() > self.deadline:
            raise HTTPProblem(503, TIME_OVER, WHEN_LESS_BUSY)


current_place: ContextVar[Place | None] = ContextVar("current_place", default=None)
"""The place of the request that this code runs for; None outside of requests for predictions."""


class Admission:
    """Places and memory of one process that answers HTTP.

    Args:
        capacity: Requests at a time.
        memory_bytes: Memory for the images of all of them together.
        timeout_s: Seconds that a request may take in all.
    """

    def __init__(self, capacity: int, memory_bytes: int, timeout_s: float = 300) -> None:
        self.capacity, self.memory_bytes, self.timeout_s = capacity, memory_bytes, timeout_s
        self.taken, self.reserved = 0, 0
        self._uploads: set[Upload] = set()
        self._changed = threading.Condition()

    @staticmethod
    def from_limits(limits: RequestLimits) -> "Admission":
        """Return the admission that the limits of requests describe."""
        return Admission(limits.max_concurrency, limits.memory_mb * 1_000_000, limits.timeout_s)

    def enter(self) -> Place | None:
        """Return a place; None (`middleware` answers 429) if all are taken, and by no upload that could be ended."""
        with self._changed:
            if self.taken >= self.capacity and not self._displace_slowest():
                return None
            self.taken += 1
        return Place(self._free_place, time.monotonic() + self.timeout_s)

    @contextmanager
    def receiving(self, upload: Upload) -> Iterator[None]:
        """Count a request as one whose body is received, until this block ends or the body is complete.

        If a request comes while all places are taken, the slowest upload is ended for it.
        """
        with self._changed:
            self._uploads.add(upload)
        try:
            yield
        finally:
            with self._changed:
                self._uploads.discard(upload)

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
        slot = current_place.get()
        with self._changed:
            while self.reserved + needed > self.memory_bytes:
                if slot is not None:
                    slot.check()
                if time.monotonic() > deadline:
                    raise HTTPProblem(503, "no memory was free within the time limit", WHEN_LESS_BUSY)
                self._changed.wait(POLL_S)
            self.reserved += needed
        try:
            yield
        finally:
            with self._changed:
                self.reserved -= needed
                self._changed.notify_all()

    def _displace_slowest(self) -> bool:
        """End the slowest upload that has had its time; return whether there is one. Its place is free soon after."""
        old = [upload for upload in self._uploads if not upload.complete and upload.age_s >= MIN_AGE_S]
        if not old:
            return False
        slowest = min(old, key=lambda upload: upload.bytes_per_s)
        self._uploads.discard(slowest)
        slowest.displace()
        return True

    def _free_place(self) -> None:
        with self._changed:
            self.taken -= 1
