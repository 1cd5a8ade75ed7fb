"""Answer HTTP in this process: its clients' connections end here, not at Ray Serve's proxy."""

import errno
import logging
import os
import socket
import threading
from typing import Any

import uvicorn

from instageo.errors import ConfigError
from instageo.serving.access.client_presence import ClientPresence
from instageo.serving.access.http_protocol import limit_heads

KEEP_ALIVE_S = 5
"""Seconds for which a connection stays open after a response, for the next request."""

BACKLOG = 2048
"""Connections that the system accepts before this process does."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        ConfigError: Another program listens there, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        advice = "choose another --port" if error.errno == errno.EADDRINUSE else "correct --host or --port"
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(f"cannot listen at {host}:{port} ({reason.lower()}); {advice}") from error


class HTTPServer:
    """A thread that answers HTTP requests until the process ends.

    Args:
        app: The ASGI application.
        host: Address to listen on.
        port: Port to listen on.
        timeout_s: Seconds after which any request ends.
    """

    def __init__(self, app: Any, host: str, port: int, timeout_s: float) -> None:
        limit_heads()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the application reports its errors itself
        config = uvicorn.Config(
            ClientPresence(app, timeout_s),
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._server = uvicorn.Server(config)
        arguments = {"sockets": [listen(host, port)]}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()
