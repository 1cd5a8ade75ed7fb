"""A server from the command line: started, kept running, stopped."""

import io
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from instageo.model.serving.limits import TOKEN, Serving

log = logging.getLogger("instageo")

LOOPBACK = ("127.0.0.1", "localhost", "::1")

APPLICATION = "instageo"
"""What the server is called in Ray Serve."""

STORE_BYTES = 512 << 20
"""Memory that tiles travel through."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_SERVE_LOG_TO_STDERR": "0"}
"""Nothing is sent anywhere, and logs go to files."""


@contextmanager
def running(serving: Serving, host: str, port: int, address: str | None = None) -> Iterator[str]:
    """A server while this block lasts; gives its URL.

    Args:
        serving: Its models and limits.
        host: Address to listen on.
        port: Port to listen on.
        address: Of a Ray cluster; None to start one on this machine.
    """
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    import ray
    from ray import serve

    from instageo.model.serving.app import application

    if host not in LOOPBACK and not os.environ.get(TOKEN):
        log.warning("whoever reaches %s:%d may use this server: set %s to ask for a token", host, port, TOKEN)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(**_cluster(serving, address))
    try:
        http = {"host": host, "port": port, "request_timeout_s": serving.limits.timeout_s + 30}
        serve.start(http_options=http, logging_config={"log_level": "WARNING", "enable_access_log": False})
        serve.run(application(serving.plain()), name=APPLICATION, route_prefix="/")
        yield f"http://{host}:{port}"
    finally:
        with redirect_stdout(io.StringIO()):  # Ray prints that what it ended has ended
            if address:
                serve.delete(APPLICATION)  # others of the cluster stay
            else:
                serve.shutdown()
            ray.shutdown()


def _cluster(serving: Serving, address: str | None) -> dict[str, Any]:
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        return quiet | {"address": address}
    cores = max(os.cpu_count() or 1, serving.replicas)
    return quiet | {"include_dashboard": False, "object_store_memory": STORE_BYTES, "num_cpus": cores}


def serve_until_stopped(serving: Serving, host: str, port: int, address: str | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = threading.Event()

    def heed() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())

    heed()
    log.info("starting; this takes some seconds")
    with running(serving, host, port, address) as url:
        heed()  # Ray, as it starts, makes SIGTERM its own
        log.info("serving %s on %s (page at /, API at /docs); stop with Ctrl-C", ", ".join(serving.models), url)
        while not stop.wait(1):
            pass
        log.info("stopping")
