"""Connect to a Ray cluster, or start one on this machine."""

import io
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import ray

from instageo.errors import ConfigError
from instageo.model.settings import Settings

log = logging.getLogger(__name__)


STORE_BYTES = 128 << 20
"""Memory for what travels between processes."""

RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Nothing is sent anywhere, notes for Ray's developers are not shown; without a GPU all stays visible."""

GPU_CPUS = 4
"""Cores for a process with a GPU: they read and write."""

CONNECT_TIMEOUT_S = 5
"""Seconds that a cluster may take to answer."""


@dataclass(frozen=True)
class WorkerPlan:
    """How many processes there are, and what each takes of a cluster.

    Attributes:
        size: Processes.
        cpus: Cores of each.
        gpus: GPUs of each.
    """

    size: int
    cpus: int
    gpus: int


def plan_workers(settings: Settings, nodes: Sequence[dict[str, float]]) -> WorkerPlan:
    """One process for each GPU, or for each machine where there is none, or as many as `ray.num_workers` says.

    Args:
        settings: `accelerator` and `ray`.
        nodes: Resources of each machine, by Ray's names.

    Raises:
        ConfigError: The cluster lacks what is asked for.
    """
    wanted, able = settings.ray.num_workers, [node for node in nodes if node.get("CPU", 0) >= 1]
    found = sum(int(node.get("GPU", 0)) for node in able) if settings.accelerator in ("auto", "gpu", "cuda") else 0
    if settings.accelerator in ("gpu", "cuda") and not found:
        raise ConfigError(f"accelerator={settings.accelerator}: the cluster has no GPU; use auto or cpu")
    if found:
        if wanted is not None and wanted > found:
            raise ConfigError(f"ray.num_workers={wanted}: the cluster has {found} GPUs; expected at most so many")
        with_gpus = [node for node in able if node.get("GPU", 0) >= 1]
        share = min(int(node["CPU"] // node["GPU"]) for node in with_gpus)
        return WorkerPlan(wanted or found, max(1, min(share, GPU_CPUS)), 1)
    size = wanted or len(able)
    most = sum(int(node["CPU"]) for node in able)
    if not 1 <= size <= most:
        raise ConfigError(f"ray.num_workers={wanted}: the cluster has {most} cores; expected at most so many")
    cpus = next(
        cpus for cpus in range(max(int(node["CPU"]) for node in able), 0, -1)
        if sum(int(node["CPU"]) // cpus for node in able) >= size
    )  # fmt: skip
    return WorkerPlan(size, cpus, 0)


@contextmanager
def ray_cluster(address: str | None) -> Iterator[None]:
    """A connection to a cluster, or one of this machine alone, while this block lasts; one there is, is used."""
    os.environ.update({name: value for name, value in RAY_ENVIRONMENT.items() if name not in os.environ})
    own = not ray.is_initialized()
    asked: dict[str, Any] = {"address": address}
    if not address:
        asked = {"address": "local", "num_cpus": os.cpu_count(), "object_store_memory": STORE_BYTES}
        asked |= {"include_dashboard": False}
    with redirect_stdout(RayLogFilter()):
        if own:
            try:
                _check_address(address)
                with _silenced_stderr():
                    ray.init(**asked, logging_level=logging.ERROR, log_to_driver=False)
            except (OSError, RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"ray.address={address}: no cluster of Ray can be used there ({str(error).splitlines()[0]}); start "
                    "one with 'ray start --head', or leave ray.address out"
                ) from error
        try:
            yield
        finally:
            if own:
                ray.shutdown()


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Without standard error, where Ray's core says at its start which messages it will leave out."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class RayLogFilter(io.TextIOBase):
    """What Ray prints of processes and machines that ended, as one line in the log, not a page on stdout."""

    def write(self, text: str) -> int:
        """Log it."""
        if "worker died" in text or "marked dead" in text:
            log.warning("a process or a machine was lost; its chips are predicted again")
        log.debug("%s", text.strip())
        return len(text)


def _check_address(address: str | None) -> None:
    """See that somebody answers, which Ray would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
