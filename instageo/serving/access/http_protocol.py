"""Bound the head of HTTP requests, which uvicorn reads before any of our code: request line and headers.

Ray Serve's proxy calls `limit_heads` when it starts (`CALLBACK_VARIABLE`). With httptools, uvicorn has no limit of its
own, so that one connection could fill the memory.
"""

from typing import Any

import uvicorn.config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

CALLBACK_VARIABLE = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
"""Ray Serve's variable for a function that its proxy calls before it listens."""

MAX_HEAD_BYTES = 64 << 10
"""Largest head of a request, as in uvicorn with h11."""

TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

_Protocol: Any = AutoHTTPProtocol


class BoundedHeadProtocol(_Protocol):  # type: ignore[misc]  # a class that uvicorn chooses by what is installed
    """uvicorn's protocol, which ends a connection with status 431 as soon as the head of a request is too large."""

    head_bytes, in_head = 0, True

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head; pass all data on."""
        if self.in_head:
            self.head_bytes += len(data)
        super().data_received(data)
        if self.in_head and self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to count."""
        self.head_bytes, self.in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting, since the body follows."""
        self.in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect another head."""
        self.head_bytes, self.in_head = 0, True
        super().on_message_complete()


def limit_heads() -> list[Any]:
    """Let uvicorn use `BoundedHeadProtocol` in this process; returns the middlewares that Ray Serve expects: none."""
    if hasattr(AutoHTTPProtocol, "on_headers_complete"):  # httptools; h11 has a limit of its own
        uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{BoundedHeadProtocol.__name__}"
    return []
