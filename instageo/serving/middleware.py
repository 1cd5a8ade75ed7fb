"""What every request passes first: who asks, how much it sends, and whether there is room."""

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from threading import Lock
from typing import Any

from instageo.serving.errors import problem_response
from instageo.serving.settings import TOKEN, RequestLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OPEN = ("/", "/page.css", "/page.js", "/favicon.ico", "/healthz", "/readyz")
"""Paths that need no token."""

WORK = "/v1/predict"
"""Paths that begin so count as work, of which there may be too much."""


class BodyTooLargeError(Exception):
    """A body went over the limit while it came in."""


class LimitsMiddleware:
    """An ASGI application in front of another.

    Args:
        app: What comes behind.
        limits: What is refused.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], limits: RequestLimits) -> None:
        self.app, self.limits = app, limits
        self.token = os.environ.get(TOKEN)
        self.inside, self.lock = 0, Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {key.lower(): value for key, value in scope["headers"]}
        refusal = self._refusal(scope["path"], headers)
        if refusal:
            await refusal(scope, receive, send)
            return None
        if not scope["path"].startswith(WORK):
            return await self.app(scope, receive, send)
        return await self._work(scope, receive, send)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> Any:
        if self.token and path not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
                return problem_response(
                    401, "no valid token; send Authorization: Bearer …", {"WWW-Authenticate": "Bearer"}
                )
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            return problem_response(400, "Content-Length is no number")
        if int(length) > self.limits.upload_mb * 1_000_000:
            return problem_response(413, self._too_large())
        return None

    async def _work(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.lock:
            full = self.inside >= self.limits.waiting
            self.inside += not full
        if full:
            busy = f"{self.limits.waiting} requests are being worked on; come back in a moment"
            await problem_response(429, busy, {"Retry-After": "1"})(scope, receive, send)
            return
        came, began = 0, False

        async def counted() -> MutableMapping[str, Any]:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > self.limits.upload_mb * 1_000_000:
                raise BodyTooLargeError
            return message

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except BodyTooLargeError:
            if not began:
                await problem_response(413, self._too_large())(scope, receive, send)
        finally:
            with self.lock:
                self.inside -= 1

    def _too_large(self) -> str:
        return f"the request is larger than {self.limits.upload_mb} MB, the most that this server takes"
