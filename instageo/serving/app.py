"""A server from the command line: started, kept running, stopped."""

import io
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from instageo.model.registry.yaml_io import dump_yaml
from instageo.serving.endpoints import build_app
from instageo.serving.replicas import ModelReplica
from instageo.serving.settings import TOKEN, ServerSettings, server_settings_from_dict

log = logging.getLogger("instageo")


LOOPBACK = ("127.0.0.1", "localhost", "::1")

APPLICATION_NAME = "instageo"
"""What the server is called in Ray Serve."""

STORE_BYTES = 512 << 20
"""Memory that tiles travel through."""

RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
}
"""Nothing is sent anywhere, and logs go to files."""


@contextmanager
def running_server(serving: ServerSettings, host: str, port: int, address: str | None = None) -> Iterator[str]:
    """A server while this block lasts; gives its URL.

    Args:
        serving: Its models and limits.
        host: Address to listen on.
        port: Port to listen on.
        address: Of a Ray cluster; None to start one on this machine.
    """
    os.environ.update({name: value for name, value in RAY_ENVIRONMENT.items() if name not in os.environ})
    import ray
    from ray import serve

    from instageo.serving.app import application

    if host not in LOOPBACK and not os.environ.get(TOKEN):
        log.warning("whoever reaches %s:%d may use this server: set %s to ask for a token", host, port, TOKEN)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    ray.init(**_ray_options(serving, address))
    try:
        http = {"host": host, "port": port, "request_timeout_s": serving.limits.timeout_s + 30}
        serve.start(http_options=http, logging_config={"log_level": "WARNING", "enable_access_log": False})
        serve.run(application(serving.plain()), name=APPLICATION_NAME, route_prefix="/")
        yield f"http://{host}:{port}"
    finally:
        with redirect_stdout(io.StringIO()):  # Ray prints that what it ended has ended
            if address:
                serve.delete(APPLICATION_NAME)  # others of the cluster stay
            else:
                serve.shutdown()
            ray.shutdown()


def _ray_options(serving: ServerSettings, address: str | None) -> dict[str, Any]:
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        return quiet | {"address": address}
    cores = max(os.cpu_count() or 1, serving.replicas)
    return quiet | {"include_dashboard": False, "object_store_memory": STORE_BYTES, "num_cpus": cores}


def serve_until_stopped(serving: ServerSettings, host: str, port: int, address: str | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = threading.Event()

    def heed() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())

    heed()
    log.info("starting; this takes some seconds")
    with running_server(serving, host, port, address) as url:
        heed()  # Ray, as it starts, makes SIGTERM its own
        log.info("serving %s on %s (page at /, API at /docs); stop with Ctrl-C", ", ".join(serving.models), url)
        while not stop.wait(1):
            pass
        log.info("stopping")


REPLICA_DEPLOYMENT = "ModelReplica"

AUTOSCALING = {"look_back_period_s": 15, "upscale_delay_s": 5, "downscale_delay_s": 120}
"""Another process starts some 20 seconds after the load has come, and stays for two minutes without."""


def application(arguments: dict[str, Any]) -> Application:
    """A server as Ray Serve's configuration files name it: `instageo.serving.app:application`.

    Args:
        arguments: As of `Serving.plain`.
    """
    serving = server_settings_from_dict(arguments)

    def front() -> FastAPI:
        handle = serve.get_deployment_handle(REPLICA_DEPLOYMENT, app_name=serve.get_replica_context().app_name)
        return build_app(handle, serving)

    fronts: Any = serve.deployment(name="Front", max_ongoing_requests=10_000, ray_actor_options={"num_cpus": 0})
    bound: Application = fronts(serve.ingress(front)()).bind(_replica_deployment(serving).bind(serving))
    return bound


def _replica_deployment(serving: ServerSettings) -> Any:
    on_gpu = ray.cluster_resources().get("GPU", 0) >= 1
    resources = {"num_cpus": 0, "num_gpus": 1} if on_gpu else {"num_cpus": 1}
    own: Any = serve.deployment(
        name=REPLICA_DEPLOYMENT,
        ray_actor_options=resources,
        max_ongoing_requests=4 * serving.batch_tiles,
        max_queued_requests=2 * serving.limits.waiting,
        health_check_period_s=2,
        graceful_shutdown_timeout_s=5,
    )(ModelReplica)
    if serving.replicas == 1:
        return own.options(num_replicas=1)
    half = max(1, serving.batch_tiles / 2)  # of a pass, waiting or in it
    scale = AUTOSCALING | {"min_replicas": 1, "max_replicas": serving.replicas, "target_ongoing_requests": half}
    return own.options(autoscaling_config=scale)


def serve_config(serving: ServerSettings, host: str, port: int) -> bytes:
    """YAML for `serve deploy` and `serve run`, and the `serveConfigV2` of KubeRay."""
    plain: dict[str, Any] = {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port, "request_timeout_s": serving.limits.timeout_s + 30},
        "applications": [
            {
                "name": "instageo",
                "route_prefix": "/",
                "import_path": "instageo.serving.app:application",
                "args": serving.plain(),
            }
        ],
    }
    return dump_yaml(plain)
