"""Bound the head of HTTP requests, which uvicorn reads before any of our code: request line and headers.

Ray Serve's proxy calls `limit_heads` when it starts (`CALLBACK_VARIABLE`). With httptools, uvicorn has no limit of its
own, so that one connection could fill the memory, or stay open for ever. Headers by which Ray lets clients change how
their requests are treated are dropped.
"""

import asyncio
from typing import Any

import uvicorn.config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

CALLBACK_VARIABLE = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
"""Ray Serve's variable for a function that its proxy calls before it listens."""

MAX_HEAD_BYTES = 64 << 10
"""Largest head of a request, as in uvicorn with h11."""

MAX_HEAD_S = 60
"""Seconds from the connection, or from the first byte of a further request, to the end of the head."""

RAY_HEADERS = (
    b"x-request-timeout-seconds", b"x-request-disconnect-disabled", b"x-session-id", b"serve_multiplexed_model_id",
)  # fmt: skip
"""Headers that Ray Serve obeys: time limits, whether it notices that clients have gone, the choice of processes."""

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_RAY_NAMES = frozenset(name.replace(b"_", b"-") for name in RAY_HEADERS)

_Protocol: Any = AutoHTTPProtocol


class BoundedHeadProtocol(_Protocol):  # type: ignore[misc]  # a class that uvicorn chooses by what is installed
    """uvicorn's protocol, which ends a connection when the head of a request is too large (431) or too slow (408)."""

    head_bytes, in_head = 0, True
    head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Expect a head in time."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing any more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head; pass all data on."""
        if self.in_head:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.head_bytes > MAX_HEAD_BYTES:
            self._refuse(TOO_LARGE)

    def on_message_begin(self) -> None:
        """Expect the whole head in time; its first bytes are counted already."""
        self._start_timer()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, unless Ray obeys it or would fail to decode it."""
        key = name.lower().replace(b"_", b"-")
        if key not in _RAY_NAMES and (key != b"x-request-id" or value.isascii()):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop counting, since the body follows."""
        self.in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect another head, for which uvicorn waits a few seconds."""
        self.head_bytes, self.in_head = 0, True
        super().on_message_complete()

    def _start_timer(self) -> None:
        self._stop_timer()
        self.head_timer = asyncio.get_running_loop().call_later(MAX_HEAD_S, self._refuse, TOO_SLOW)

    def _stop_timer(self) -> None:
        if self.head_timer is not None:
            self.head_timer.cancel()

    def _refuse(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)
            self.transport.close()


def limit_heads() -> list[Any]:
    """Let uvicorn use `BoundedHeadProtocol` in this process; returns the middlewares that Ray Serve expects: none."""
    if hasattr(AutoHTTPProtocol, "on_headers_complete"):  # httptools; h11 has a limit of its own
        uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedHeadProtocol.__name__}"
    return []
