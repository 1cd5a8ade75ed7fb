"""Set up worker processes on Ray: each has its device and threads, and the same paths and model as the driver."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import ray
import torch

from instageo.errors import CheckpointError, ConfigError
from instageo.model.inference.backend_choice import ChosenBackend, use_backend
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.inference.ray_cluster import WorkerPlan, plan_workers
from instageo.model.networks.device import pick_device
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings import Settings
from instageo.wording import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerSetup:
    """What every worker needs to load the model.

    Attributes:
        settings: Settings for the predictor, and `ray`.
        explicit: Keys that the user set.
        device: Device to compute on.
        threads: Threads that compute on the CPU.
        folder: Folder that relative paths start from.
        max_loads: Attempts to load the network, of all workers together.
        backends: What computes each network, so that all workers use the same; None for PyTorch.
    """

    settings: Settings
    explicit: frozenset[str]
    device: str
    threads: int
    folder: str
    max_loads: int
    backends: tuple[ChosenBackend | None, ...] = ()

    def with_backend(self, predictor: Predictor, index: int = 0) -> Predictor:
        """Return a loaded network with what is to compute it.

        Raises:
            BackendUnavailableError: This machine cannot.
            MissingExtraError: This machine lacks a package.
        """
        chosen = self.backends[index] if index < len(self.backends) else None
        return predictor if chosen is None else use_backend(predictor, *chosen)


def set_up_workers(settings: Settings, explicit: frozenset[str]) -> tuple[WorkerPlan, WorkerSetup]:
    """Plan the workers of the cluster that this process is connected to, and warn if others are using it.

    Raises:
        ConfigError: The cluster has fewer GPUs or cores than requested.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    plan = plan_workers(settings.accelerator, settings.ray.num_workers, nodes)
    mps = settings.ray.address is None and pick_device(settings.accelerator) == "mps"
    device = "cuda" if plan.gpus else "mps" if mps else "cpu"
    threads = plan.cpus if settings.ray.address else max(torch.get_num_threads() // plan.size, 1)
    free = ray.available_resources()
    if free.get("CPU", 0) < plan.size * plan.cpus or free.get("GPU", 0) < plan.size * plan.gpus:
        log.warning(
            "the cluster is in use by others; waiting for %d workers of %d cores and %d GPUs each",
            plan.size, plan.cpus, plan.gpus,
        )  # fmt: skip
    max_loads = (settings.ray.max_retries + 1) * plan.size
    return plan, WorkerSetup(settings, explicit, device, threads, str(Path.cwd()), max_loads)


def load_in_worker(setup: WorkerSetup, fingerprint: str) -> Predictor:
    """Load the model in a worker process, which takes over the driver's folder.

    Args:
        setup: How.
        fingerprint: Fingerprint of the model (`model_fingerprint`), which must be the same on all machines.

    Raises:
        ConfigError: This machine has no such folder.
        CheckpointError: The checkpoint or the versions differ from those of the driver.
    """
    keep_freed_memory()
    torch.set_num_threads(setup.threads)
    try:
        os.chdir(setup.folder)
    except OSError as error:
        raise ConfigError(
            f"{ray.util.get_node_ip_address()}: has no folder {setup.folder}; all machines of the cluster need the "
            "same paths as the one that starts the run"
        ) from error
    predictor = setup.with_backend(predictor_from_settings(setup.settings, setup.explicit, setup.device))
    check_model(predictor, fingerprint)
    return predictor


def check_model(predictor: Predictor, fingerprint: str) -> None:
    """Check that a model that a worker has loaded is that of the driver.

    Raises:
        CheckpointError: It is not.
    """
    settings = predictor.settings
    if model_fingerprint(settings, predictor.engine) != fingerprint:
        raise CheckpointError(
            f"{ray.util.get_node_ip_address()}: has another checkpoint at {settings.checkpoint_path}, or other "
            "versions of instageo-model, PyTorch or OpenVINO; install the same on all machines"
        )


def explain_killed_loads(setup: WorkerSetup) -> CheckpointError:
    """Return what is to be said when loading the network has killed workers too often."""
    return CheckpointError(
        f"{setup.settings.checkpoint_path}: {counted(setup.max_loads, 'process', 'were')} killed while loading it, "
        "perhaps for lack of memory; use fewer with ray.num_workers"
    )
