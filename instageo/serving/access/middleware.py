"""Check the origin, the token, the size and the number of requests before anything else."""

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from instageo.serving.access.admission import Admission, current_place
from instageo.serving.access.origin import is_cross_site, is_own_host
from instageo.serving.errors import problem_response
from instageo.serving.settings import TOKEN_VARIABLE, RequestLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PAGE_FILES = {
    "/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/docs": "docs.html", "/docs.js": "docs.js",
}  # fmt: skip
"""Files of the page and of the description of the API, by path; they hold nothing of the server's models."""

OPEN_PATHS = (*PAGE_FILES, "/favicon.ico", "/healthz", "/readyz")
"""Paths that need no token."""

PREDICTION_PREFIX = "/v1/predict"
"""Prefix of paths whose requests `max_concurrency` limits."""

read_bearer_token = HTTPBearer(auto_error=False, description=f"The value of ${TOKEN_VARIABLE} on the server.")
"""Parses the header `Authorization`. As a dependency FastAPI would call it only after it has read the body."""


class BodyTooLargeError(Exception):
    """A body exceeded the limit while it was received."""


class LimitsMiddleware:
    """ASGI middleware that rejects requests of other sites, without a valid token, too large, or too many.

    Args:
        app: The application behind it.
        limits: Limits of requests.
        admission: Places of requests for predictions.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], limits: RequestLimits, admission: Admission
    ) -> None:
        self.app, self.limits, self.admission = app, limits, admission
        self.token = os.environ.get(TOKEN_VARIABLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        rejection = self._reject_origin(scope) or await self._reject_token(scope) or self._reject_length(scope)
        if rejection:
            return await rejection(scope, receive, send)
        if not scope["path"].startswith(PREDICTION_PREFIX):
            return await self.app(scope, receive, send)
        return await self._predict(scope, receive, send)

    def _reject_origin(self, scope: Scope) -> JSONResponse | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host, allowed = headers.get("host"), self.limits.allowed_hosts
        if host is not None and (not self.token or allowed) and not is_own_host(host, allowed):
            return problem_response(
                403, "the header Host names another server; --allowed-hosts of instageo serve lists further names"
            )
        if is_cross_site(scope["method"], headers):
            return problem_response(403, "pages of other sites may not send requests to this server")
        return None

    async def _reject_token(self, scope: Scope) -> JSONResponse | None:
        if not self.token or scope["path"] in OPEN_PATHS:
            return None
        given = await read_bearer_token(Request(scope))
        if given and hmac.compare_digest(given.credentials.encode("latin-1"), self.token.encode()):
            return None
        return problem_response(401, "no valid token; send Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})

    def _reject_length(self, scope: Scope) -> JSONResponse | None:
        length = {key.lower(): value for key, value in scope["headers"]}.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            return problem_response(400, "Content-Length is not a number")
        return self._too_large() if int(length) > self.limits.upload_mb * 1_000_000 else None

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request for a prediction on if there are not too many, and count the bytes of its body."""
        place = self.admission.enter()
        if place is None:
            detail = f"the server is busy with {self.limits.max_concurrency} requests; try again in a moment"
            return await problem_response(429, detail, {"Retry-After": "1"})(scope, receive, send)
        received, responding = 0, False

        async def receive_counted() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limits.upload_mb * 1_000_000:
                raise BodyTooLargeError
            return message

        async def send_noted(message: MutableMapping[str, Any]) -> None:
            nonlocal responding
            responding = True
            await send(message)

        token = current_place.set(place)
        try:
            return await self.app(scope, receive_counted, send_noted)
        except BodyTooLargeError:
            return None if responding else await self._too_large()(scope, receive, send)
        finally:
            current_place.reset(token)
            place.leave()

    def _too_large(self) -> JSONResponse:
        return problem_response(413, f"the request is larger than {self.limits.upload_mb} MB, the limit of this server")
