"""Build the server's application for Ray Serve, and run it until it is stopped."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import RayServeException

from instageo.errors import InstaGeoError
from instageo.model.inference.ray_cluster import ray_cluster
from instageo.serving.access.http_protocol import CALLBACK_VARIABLE, limit_heads
from instageo.serving.access.http_server import STOP_S, listen
from instageo.serving.jobs.environment import ENVIRONMENT_VARIABLE, remember_environment
from instageo.serving.processes import REPLICA_DEPLOYMENT, FrontEnd, ModelProcess, build_http_app, server_id
from instageo.serving.settings import APPLICATION_NAME, TOKEN_VARIABLE, ServerSettings, server_settings_from_dict
from instageo.serving.temporary import remove_leftovers

log = logging.getLogger("instageo")

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

OBJECT_STORE_BYTES = 512 << 20
"""Memory for tiles that pass between processes of this machine."""

ONE_HEAP = ("MALLOC_ARENA_MAX", "1")
"""Variable that gives each process of the server one heap: glibc returns no memory at the end of any further one."""

REMOVE_WAIT_S = 10
"""Seconds within which the processes of a server that stops should have ended, before their files are removed."""

AUTOSCALING = {"look_back_period_s": 15, "upscale_delay_s": 5, "downscale_delay_s": 120}
"""Another process starts some 20 seconds after the load has risen, and stays for two minutes after it has fallen."""


def serve_until_stopped(settings: ServerSettings, host: str, port: int, address: str | None) -> None:
    """Serve until SIGINT or SIGTERM; for the arguments see `running_server`."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())  # also while it starts, which then ends first
    log.info("starting; this takes some seconds")
    try:
        with running_server(settings, host, port, address, stop) as url:
            log.info("serving %s on %s (page at /, API at /docs); stop with Ctrl-C", ", ".join(settings.models), url)
            while not stop.wait(1):
                pass
            log.info("stopping")
    except SystemExit:  # how Ray and `running_server` end after a signal while they start
        if not stop.is_set():
            raise
        log.info("stopped")


@contextmanager
def running_server(
    settings: ServerSettings, host: str, port: int, address: str | None = None, stop: threading.Event | None = None
) -> Iterator[str]:
    """Run a server while this block lasts, and yield its URL.

    Args:
        settings: Its models and limits.
        host: Address to listen on.
        port: Port to listen on.
        address: Address of a running Ray cluster; None to start one on this machine.
        stop: If it is set when Ray has started, no model is loaded.

    Raises:
        ConfigError: The cluster cannot be reached, or this machine cannot listen at the address.
        InstaGeoError: A process of the server failed at its start.
        SystemExit: `stop` was set before a model was loaded.
    """
    if not address:
        listen(host, port).close()  # fails before anything is started
    if host not in LOOPBACK_HOSTS and not os.environ.get(TOKEN_VARIABLE):
        log.warning(
            "anybody who can reach %s:%d may use this server; set %s to require a token", host, port, TOKEN_VARIABLE
        )
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    cpus = max(os.cpu_count() or 1, settings.replicas)
    with (
        _server_environment(),
        _leftovers_removed() as remember,
        ray_cluster(address, setting="--address", num_cpus=cpus, object_store_bytes=OBJECT_STORE_BYTES),
    ):
        remember(server_id())
        if stop is not None and stop.is_set():
            raise SystemExit
        try:
            logs = {"log_level": "WARNING", "enable_access_log": False}
            if address:
                serve.start(http_options=settings.http_options(host, port), logging_config=logs)
                _run_application(application(settings.to_dict()), "/")
                yield f"http://{host}:{port}"
            else:
                serve.start(proxy_location="Disabled", logging_config=logs)
                _run_application(_own_application(settings, host, port), None)
                try:
                    yield f"http://{host}:{port}"
                finally:
                    _stop_front()
        finally:
            if address:
                serve.delete(APPLICATION_NAME)  # other applications of the cluster stay
            else:
                serve.shutdown()


@contextmanager
def _server_environment() -> Iterator[None]:
    """Set, while this block lasts, the variables that the server's processes inherit."""
    before = {name: os.environ.get(name) for name in (ENVIRONMENT_VARIABLE, CALLBACK_VARIABLE, ONE_HEAP[0])}
    remember_environment()
    os.environ.setdefault(CALLBACK_VARIABLE, f"{limit_heads.__module__}:{limit_heads.__name__}")
    os.environ.setdefault(*ONE_HEAP)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def application(arguments: dict[str, Any]) -> Application:
    """Build the application that Ray Serve imports as `instageo.serving.app:application`.

    Args:
        arguments: Settings as plain values (`ServerSettings.to_dict`).
    """
    settings = server_settings_from_dict(arguments)
    ingress = serve.ingress(lambda: build_http_app(settings))()
    bound: Application = _front_deployment(ingress).bind(_replica_deployment(settings).bind(settings))
    return bound


def _run_application(bound: Application, route_prefix: str | None) -> None:
    try:
        serve.run(bound, name=APPLICATION_NAME, route_prefix=route_prefix)
    except RuntimeError as error:
        own = serve.status().applications.get(APPLICATION_NAME)
        deployments = own.deployments.values() if own else ()
        message = next((each.message for each in deployments if each.message), str(error))
        raise InstaGeoError(f"the server cannot start: {_last_error(message)}") from error


def _last_error(message: str) -> str:
    """Return what the last line of a message says, without the type if it is that of an exception."""
    line = message.strip().splitlines()[-1]
    kind, _, text = line.partition(": ")
    return text if text and kind.replace(".", "").isidentifier() else line


def _own_application(settings: ServerSettings, host: str, port: int) -> Application:
    at_once = {"graceful_shutdown_wait_loop_s": 0.1}  # `_stop_front` has waited for requests in progress
    replicas = _replica_deployment(settings).options(**at_once).bind(settings)
    bound: Application = _front_deployment(FrontEnd).options(**at_once).bind(replicas, settings, host, port)
    return bound


def _stop_front() -> None:
    """Let requests in progress end while there are still processes that compute for them."""
    try:
        serve.get_app_handle(APPLICATION_NAME).stop.remote().result(timeout_s=2 * STOP_S)
    except (RayError, RayServeException, TimeoutError) as error:  # it has ended or hangs, and is ended now
        log.debug("the process that answers HTTP has not stopped by itself: %s", error)


def _front_deployment(front: type) -> Any:
    deployment: Any = serve.deployment(
        name="FrontEnd", max_ongoing_requests=10_000, ray_actor_options={"num_cpus": 0}, health_check_period_s=2
    )
    return deployment(front)


@contextmanager
def _leftovers_removed() -> Iterator[Callable[[str], None]]:
    """Yield a function for the identifier of a server, whose files are removed when its processes have ended."""
    servers: list[str] = []
    try:
        yield servers.append
    finally:
        for server in servers:
            remove_leftovers(server, REMOVE_WAIT_S)


def _replica_deployment(settings: ServerSettings) -> Any:
    has_gpus = ray.cluster_resources().get("GPU", 0) >= 1
    deployment: Any = serve.deployment(
        name=REPLICA_DEPLOYMENT,
        ray_actor_options={"num_cpus": 0, "num_gpus": 1} if has_gpus else {"num_cpus": 1},
        max_ongoing_requests=4 * settings.batch_tiles,
        max_queued_requests=2 * settings.limits.max_concurrency,
        health_check_period_s=2,
        graceful_shutdown_timeout_s=5,
    )(ModelProcess)
    if settings.replicas == 1:
        return deployment.options(num_replicas=1)
    half_batch = max(1, settings.batch_tiles / 2)  # waiting or in progress, per replica
    limits = {"min_replicas": 1, "max_replicas": settings.replicas, "target_ongoing_requests": half_batch}
    return deployment.options(autoscaling_config=AUTOSCALING | limits)
