"""Connect to a Ray cluster, or start one on this machine."""

import importlib
import io
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray

from instageo.errors import ConfigError
from instageo.model.inference.ray_access import only_this_machine
from instageo.runtime.termination import handler_kept
from instageo.wording import counted

log = logging.getLogger(__name__)

RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # a process without a GPU keeps CUDA_VISIBLE_DEVICES
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # messages for Ray's developers are not shown
    "RAY_SERVE_LOG_TO_STDERR": "0",  # logs of Ray Serve go to files
}
"""Variables that Ray's processes inherit, unless the user has set them."""

OBJECT_STORE_BYTES = 128 << 20
"""Memory for objects that pass between the processes of this machine."""

CONNECT_TIMEOUT_S = 5
"""Seconds within which a cluster must accept a connection."""

MAX_CPUS_PER_GPU_WORKER = 4
"""Cores of a process with a GPU, which only reads and writes on them."""


@contextmanager
def ray_cluster(
    address: str | None,
    *,
    setting: str = "ray.address",
    num_cpus: int | None = None,
    object_store_bytes: int = OBJECT_STORE_BYTES,
) -> Iterator[None]:
    """Connect to a Ray cluster, or start one on this machine, and disconnect when the block ends.

    A connection that this process has already is used and kept.

    Args:
        address: Address of a running cluster, `auto` or HOST:PORT; None to start one on this machine.
        setting: Name of the setting or option that holds the address, for messages.
        num_cpus: Cores that a cluster of this machine offers; None for all.
        object_store_bytes: Size of the object store of a cluster of this machine.

    Raises:
        ConfigError: No cluster can be reached or started.
    """
    os.environ.update({name: value for name, value in RAY_ENVIRONMENT.items() if name not in os.environ})
    options: dict[str, Any] = {"address": address, "logging_level": logging.ERROR, "log_to_driver": False}
    if not address:
        options |= {"address": "local", "include_dashboard": False}
        options |= {"num_cpus": num_cpus or os.cpu_count(), "object_store_memory": object_store_bytes}
    connect = not ray.is_initialized()
    with redirect_stdout(RayLogFilter()):
        if connect:
            try:
                _check_address(address)
                _start_ray(options)
            except Exception as error:  # Ray raises plain exceptions, as when it starts too slowly
                ray.shutdown()
                reason = str(error).splitlines()[0]
                if not address:
                    raise ConfigError(f"cannot start Ray on this machine ({reason})") from error
                raise ConfigError(
                    f"{setting}={address}: cannot connect to a Ray cluster there ({reason}); start one with "
                    f"'ray start --head', or leave {setting} out"
                ) from error
        try:
            yield
        finally:
            if connect:
                ray.shutdown()


def _start_ray(options: dict[str, Any]) -> None:
    """Call `ray.init` without its handler of SIGTERM, which ends the process with a dump of its stack."""
    access = nullcontext() if options["address"] != "local" else only_this_machine()
    with handler_kept() as handle_sigterm:
        try:
            with _silenced_stderr(), access, own_process_group():
                ray.init(**options)
        except SystemExit:  # which that handler raises
            ray.shutdown()
            handle_sigterm()
            raise


class RayLogFilter(io.TextIOBase):
    """Replaces the pages that Ray prints on stdout about lost processes and machines by one line in the log."""

    def write(self, text: str) -> int:
        """Log the text."""
        if "worker died" in text or "marked dead" in text:
            log.warning("a process or a machine was lost; its work is repeated")
        log.debug("%s", text.strip())
        return len(text)


def _check_address(address: str | None) -> None:
    """Raise OSError if nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()


@contextmanager
def own_process_group() -> Iterator[None]:
    """Start Ray's processes in process groups of their own in this block, so that signals reach this process first.

    A shell, `timeout` and schedulers send SIGTERM to a whole group. A process whose Ray has ended before it was asked
    to end itself is ended by Ray's core, with status 1 and without a word. On Linux, Ray's processes end with this
    process however it ends; elsewhere Ray relies on the shared group.
    """
    if sys.platform != "linux":
        yield
        return
    services: Any = importlib.import_module("ray._private.services")
    start = services.ConsolePopen
    services.ConsolePopen = partial(start, process_group=0)
    try:
        yield
    finally:
        services.ConsolePopen = start


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard standard error, where Ray's core lists at its start the messages that it will leave out."""
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as devnull:
            os.dup2(devnull.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@dataclass(frozen=True)
class WorkerPlan:
    """How many worker processes there are, and what each takes of a cluster.

    Attributes:
        size: Processes.
        cpus: Cores of each.
        gpus: GPUs of each.
    """

    size: int
    cpus: int
    gpus: int


def plan_workers(accelerator: str, num_workers: int | None, nodes: Sequence[dict[str, float]]) -> WorkerPlan:
    """Plan one process for each GPU, or for each machine if there are no GPUs, or `num_workers` processes.

    Args:
        accelerator: The setting `accelerator`.
        num_workers: The setting `ray.num_workers`; None to choose by the cluster.
        nodes: Resources of each machine, by Ray's names.

    Raises:
        ConfigError: The cluster has fewer GPUs or cores than requested.
    """
    usable = [node for node in nodes if node.get("CPU", 0) >= 1]
    gpus = sum(int(node.get("GPU", 0)) for node in usable) if accelerator in ("auto", "gpu", "cuda") else 0
    if accelerator in ("gpu", "cuda") and not gpus:
        raise ConfigError(f"accelerator={accelerator}: the cluster has no GPU; use auto or cpu")
    if gpus:
        if num_workers is not None and num_workers > gpus:
            raise ConfigError(
                f"ray.num_workers={num_workers}: the cluster has {counted(gpus, 'GPU')}; use at most {gpus}"
            )
        with_gpus = [node for node in usable if node.get("GPU", 0) >= 1]
        cpus_per_gpu = min(int(node["CPU"] // node["GPU"]) for node in with_gpus)
        return WorkerPlan(num_workers or gpus, max(1, min(cpus_per_gpu, MAX_CPUS_PER_GPU_WORKER)), 1)
    size = num_workers or len(usable)
    cores = sum(int(node["CPU"]) for node in usable)
    if not 1 <= size <= cores:
        raise ConfigError(
            f"ray.num_workers={num_workers}: the cluster has {counted(cores, 'core')}; use at most {cores}"
        )
    cpus = next(
        cpus for cpus in range(max(int(node["CPU"]) for node in usable), 0, -1)
        if sum(int(node["CPU"]) // cpus for node in usable) >= size
    )  # fmt: skip
    return WorkerPlan(size, cpus, 0)
