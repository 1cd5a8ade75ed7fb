"""End the work for a request whose client has gone, whose time is over, or whose server stops."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from instageo.serving.access.admission import TIME_OVER
from instageo.serving.access.upload import Message, Receive
from instageo.serving.errors import WHEN_LESS_BUSY, problem_response

Scope = MutableMapping[str, Any]
STOPPING = "the server is stopping; try again later"

Send = Callable[[Message], Awaitable[None]]


class ClientPresence:
    """ASGI middleware that cancels the application when its client has gone, as Ray Serve's proxy does.

    Args:
        app: The application behind it.
        timeout_s: Seconds after which a request ends with HTTP 408; those of single kinds of requests end earlier.
    """

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], timeout_s: float) -> None:
        self.app, self.timeout_s = app, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application for a request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        messages: asyncio.Queue[Message] = asyncio.Queue(1)  # so that what is not read is not received
        begun = ended = gone = False

        async def send_noted(message: Message) -> None:
            nonlocal begun, ended
            begun, ended = True, message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async def watch() -> None:
            nonlocal gone
            connected = True
            while connected:
                message = await receive()
                connected = message["type"] != "http.disconnect"
                if not connected and not ended:
                    gone = True
                    request.cancel()
                await messages.put(message)

        request = asyncio.ensure_future(self.app(scope, messages.get, send_noted))
        watcher = asyncio.create_task(watch())
        try:
            async with asyncio.timeout(self.timeout_s) as timer:
                await request
        except TimeoutError:
            if not timer.expired():
                raise
            if not begun:
                await problem_response(408, TIME_OVER, {"Connection": "close"})(scope, receive, send)
        except asyncio.CancelledError:
            if begun and not gone:
                raise
            if not gone:  # the server stops
                headers = WHEN_LESS_BUSY | {"Connection": "close"}
                await problem_response(503, STOPPING, headers)(scope, receive, send)
        finally:
            watcher.cancel()
