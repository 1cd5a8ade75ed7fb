"""Answer HTTP in this process: its clients' connections end here, not at Ray Serve's proxy."""

import errno
import logging
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import uvicorn

from instageo.errors import ConfigError
from instageo.serving.access.disconnect import ClientPresence
from instageo.serving.access.http_protocol import limit_heads

KEEP_ALIVE_S = 5
"""Seconds for which a connection stays open after a response, for the next request."""

STOP_S = 3
"""Seconds within which requests in progress may end when the server stops, before the application does."""

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
    """A thread that answers HTTP requests from the start of the application until it is stopped.

    Args:
        app: The ASGI application.
        host: Address to listen on.
        port: Port to listen on.
        timeout_s: Seconds after which any request ends.

    Raises:
        ConfigError: See `listen`.
        RuntimeError: The application does not start.
    """

    def __init__(self, app: Any, host: str, port: int, timeout_s: float) -> None:
        limit_heads()
        config = uvicorn.Config(
            ClientPresence(app, timeout_s),
            lifespan="on",
            access_log=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, args=[listen(host, port)], daemon=True)
        self._thread.start()
        while not self._server.started:
            if not self.running:
                raise RuntimeError("the application that answers HTTP has not started; the log says why")
            time.sleep(0.01)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # the application reports its errors itself

    @property
    def running(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Accept no further connections, let requests in progress end soon, and stop the application."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self, listening: socket.socket) -> None:
        with listening, suppress(SystemExit):  # which uvicorn raises if the application does not start
            self._server.run(sockets=[listening])
