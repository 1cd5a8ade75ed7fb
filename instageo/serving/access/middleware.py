"""Check the origin, the token, the size and the number of requests before anything else."""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from instageo.serving.access.admission import TIME_OVER, Admission, current_place
from instageo.serving.access.origin import is_cross_site, is_own_host
from instageo.serving.access.upload import Receive, Upload, too_large
from instageo.serving.errors import WHEN_LESS_BUSY, WHEN_PLACE_IS_FREE, problem_response
from instageo.serving.settings import TOKEN_VARIABLE, RequestLimits

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PAGE_FILES = {
    "/": "index.html", "/page.css": "page.css", "/page.js": "page.js", "/docs": "docs.html", "/docs.js": "docs.js",
    "/area": "area.html", "/area.css": "area.css", "/area.js": "area.js", "/area_map.js": "area_map.js",
    "/area_jobs.js": "area_jobs.js", "/coastline.js": "coastline.js", "/api.js": "api.js",
}  # fmt: skip
"""Files of the page and of the description of the API, by path; they hold nothing of the server's models."""

OPEN_PATHS = (*PAGE_FILES, "/favicon.ico", "/healthz", "/readyz")
"""Paths that need no token."""

PREDICTION_PREFIX = "/v1/predict"
"""Prefix of paths whose requests `max_concurrency` limits."""

read_bearer_token = HTTPBearer(auto_error=False, description=f"The value of ${TOKEN_VARIABLE} on the server.")
"""Parses the header `Authorization`. As a dependency FastAPI would call it only after it has read the body."""


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
        """Pass a request for a prediction on if there are not too many; its body and its time are limited."""
        slot = self.admission.enter()
        if slot is None:
            detail = f"the server is busy with {self.limits.max_concurrency} requests; try again in a moment"
            return await problem_response(429, detail, WHEN_PLACE_IS_FREE)(scope, receive, send)
        upload, responding = Upload(receive, self.limits.upload_mb), False

        async def send_noted(message: MutableMapping[str, Any]) -> None:
            nonlocal responding
            responding = True
            await send(message)

        token = current_place.set(slot)
        try:
            with self.admission.receiving(upload):
                await self._within_time(upload, self.app(scope, upload.receive, send_noted))
        except HTTPException as error:  # raised while the body is received
            if not responding:
                await problem_response(error.status_code, error.detail, dict(error.headers or {}))(scope, receive, send)
        finally:
            current_place.reset(token)
            slot.leave()

    async def _within_time(self, upload: Upload, response: Awaitable[None]) -> None:
        """Await the response until the deadline, or until another request gets the place.

        Raises:
            HTTPException: The body has not arrived (408), or no response was made in time (503).
        """
        try:
            async with asyncio.timeout(self.limits.timeout_s) as timer:
                upload.when_displaced(lambda: timer.reschedule(asyncio.get_running_loop().time()))
                await response
        except TimeoutError as error:
            if not timer.expired():
                raise
            if upload.complete:
                raise HTTPException(503, TIME_OVER, WHEN_LESS_BUSY) from error
            seconds = f"{upload.age_s:.0f} s"
            reason = "other requests need its place" if upload.displaced else "the time limit of this server"
            detail = f"the body of the request has not arrived within {seconds} ({reason}); send it faster"
            raise HTTPException(408, detail, {"Connection": "close"}) from error

    def _too_large(self) -> JSONResponse:
        return problem_response(413, too_large(self.limits.upload_mb))
