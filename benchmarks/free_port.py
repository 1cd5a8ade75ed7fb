"""A port for a server that starts later."""

import random
import socket
from contextlib import suppress

BELOW_EPHEMERAL = range(20_000, 32_000)
"""Ports that no system gives to a program that asks for any, so that none is taken before the server starts."""


def free_port() -> int:
    """Return a port of loopback that nothing listens on.

    Raises:
        OSError: None was found.
    """
    for port in random.SystemRandom().sample(BELOW_EPHEMERAL, 100):  # tests in several processes have the same seeds
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError("no free port was found")
