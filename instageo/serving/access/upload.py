"""Receive the body of a request: count its bytes, and end it if it is too large or others need its place."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MIN_AGE_S = 5.0
"""Seconds that every upload has before it may be ended for others."""


class Upload:
    """The body of a request while it is received.

    Attributes:
        complete: Whether all of it has arrived.
        displaced: Whether it was ended because another request needed its place.

    Args:
        receive: Returns the next message of the connection (ASGI).
        limit_mb: Most megabytes.
    """

    def __init__(self, receive: Receive, limit_mb: int) -> None:
        self.complete, self.displaced = False, False
        self._receive, self._limit_mb = receive, limit_mb
        self._bytes, self._start = 0, time.monotonic()
        self._end: Callable[[], None] = lambda: None

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            HTTPException: The body is too large (413).
        """
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > self._limit_mb * 1_000_000:
            raise HTTPException(413, too_large(self._limit_mb), {"Connection": "close"})  # what follows is not read
        self.complete = self.complete or not message.get("more_body", False)
        return message

    @property
    def age_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._start

    @property
    def bytes_per_s(self) -> float:
        """Average speed since it began."""
        return self._bytes / max(self.age_s, 1e-3)

    def when_displaced(self, end: Callable[[], None]) -> None:
        """Set what ends it."""
        self._end = end

    def displace(self) -> None:
        """End it, since another request needs its place."""
        self.displaced = True
        self._end()


def too_large(limit_mb: int) -> str:
    """Return the sentence about a body beyond the limit."""
    return f"the request is larger than {limit_mb} MB, the limit of this server"
