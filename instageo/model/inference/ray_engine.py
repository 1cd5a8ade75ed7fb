"""Chips predicted by processes on Ray, of this machine or a cluster, with Ray Data.

A process is given a portion of chips at a time and reads, predicts and writes them itself, so that pixels never travel.
One that is ended from outside is started anew, and its portions are predicted again.
"""

import logging
import os
import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray.data import ActorPoolStrategy, DataContext

from instageo.errors import CheckpointError, ConfigError, InstaGeoError
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, predict_items
from instageo.model.inference.journal import model_fingerprint
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.inference.ray_cluster import WorkerPlan, plan_workers, ray_cluster
from instageo.model.networks.device import pick_device
from instageo.model.networks.memory import keep_freed_memory
from instageo.model.settings import Settings

log = logging.getLogger(__name__)


BATCH_CHIPS = 32
"""Chips of a portion, at the most."""

MIN_BATCHES = 8
"""Portions for each process, at the least, where there are enough chips."""

LOADING = "the network"
"""Counts as begun while a process loads it."""

WORKER_DIED = "its process was ended from outside each time, for lack of memory?"
"""Why a chip could not be predicted."""


@dataclass(frozen=True)
class RayJob:
    """What every process is told.

    Attributes:
        settings: Those the predictor is made with.
        explicit: Keys that the user set.
        mark: Of the model, which has to be the same everywhere.
        device: Where to compute.
        threads: That compute, on the CPU.
        ahead: Chips read before their turn.
        folder: That relative paths start from.
        loads: How often a process may be ended while it loads the network.
    """

    settings: Settings
    explicit: frozenset[str]
    mark: str
    device: str
    threads: int
    ahead: int
    folder: str
    loads: int


def predict_on_ray(
    settings: Settings, explicit: frozenset[str], mark: str, items: Sequence[PredictionItem], ahead: int
) -> Iterator[PredictionOutcome]:
    """The outcome of each item, in any order; what cannot be predicted, or ends its process, stops no other.

    Args:
        settings: Those the predictor is made with, and `ray`.
        explicit: Keys that the user set.
        mark: Of the model (`model_mark`).
        items: What to predict.
        ahead: Chips read before their turn.

    Raises:
        ConfigError: There is no such cluster, or it lacks what is asked for.
        InstaGeoError: A process cannot load the model.
    """
    with ray_cluster(settings.ray.address):
        crew = plan_workers(settings, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        mps = settings.ray.address is None and pick_device(settings.accelerator) == "mps"
        device = "cuda" if crew.gpus else "mps" if mps else "cpu"
        cores = crew.cpus if settings.ray.address else max(torch.get_num_threads() // crew.size, 1)
        loads = (settings.ray.max_retries + 1) * crew.size
        job = RayJob(settings, explicit, mark, device, cores, ahead, str(Path.cwd()), loads)
        free = ray.available_resources()
        if free.get("CPU", 0) < crew.size * crew.cpus or free.get("GPU", 0) < crew.size * crew.gpus:
            log.warning("others use the cluster; waiting for %d times %d cores and %d GPUs", *vars(crew).values())
        yield from _outcomes(job, crew, items)


def _outcomes(job: RayJob, crew: WorkerPlan, items: Sequence[PredictionItem]) -> Iterator[PredictionOutcome]:
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = min(BATCH_CHIPS, -(-len(items) // (MIN_BATCHES * crew.size)))
    portions = [items[start : start + size] for start in range(0, len(items), size)]
    rows = [{"number": number, "portion": pickle.dumps(portion)} for number, portion in enumerate(portions)]
    begun = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(AttemptCounter).remote()
    told = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        RayWorker,
        fn_constructor_args=(job, begun),
        batch_size=1,
        compute=ActorPoolStrategy(size=crew.size),
        num_cpus=crew.cpus,
        num_gpus=crew.gpus,
    )
    for row in told.iter_rows():
        found = pickle.loads(row["told"])  # noqa: S301  # written by our own processes
        if isinstance(found, InstaGeoError):
            raise found
        yield found


class AttemptCounter:
    """Counts how often something was begun and not ended; Ray would try what kills a process for ever."""

    def __init__(self) -> None:
        self.counts: Counter[int | str] = Counter()

    def begin(self, what: int | str) -> int:
        """How often it was begun, with this time."""
        self.counts[what] += 1
        return self.counts[what]

    def end(self, what: int | str) -> None:
        """It came to its end."""
        self.counts[what] -= 1


class RayWorker:
    """One process: its network, loaded when the first portion comes."""

    def __init__(self, job: RayJob, begun: Any) -> None:
        self.job, self.begun = job, begun
        self.predictor: Predictor | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Outcomes of a portion, or the error that would meet all others, too."""
        told: Sequence[PredictionOutcome | InstaGeoError]
        try:
            if self.predictor is None:
                self._refuse_endless_loads()
                self.predictor = self._load()
                self._end(LOADING)
            portion = pickle.loads(batch["portion"][0])  # noqa: S301  # written by `_outcomes`
            told = self._predict(self.predictor, int(batch["number"][0]), portion)
        except InstaGeoError as error:
            told = [error]
        return {"told": [pickle.dumps(each) for each in told]}

    def _predict(self, predictor: Predictor, number: int, portion: Sequence[PredictionItem]) -> list[PredictionOutcome]:
        """The portion; if that ended a process before, chip by chip, without those that do it again and again."""
        if self._begin(number) == 1:
            return list(predict_items(predictor, portion, self.job.ahead))
        told: list[PredictionOutcome] = []
        for item in portion:
            name = item.row.input
            if self._begin(name) <= self.job.settings.ray.max_retries + 1:
                told += predict_items(predictor, [item], 0)
            else:
                told.append(PredictionOutcome(name, WORKER_DIED))
            self._end(name)
        return told

    def _begin(self, what: int | str) -> int:
        count: int = ray.get(self.begun.begin.remote(what))
        return count

    def _end(self, what: int | str) -> None:
        ray.get(self.begun.end.remote(what))

    def _refuse_endless_loads(self) -> None:
        if self._begin(LOADING) > self.job.loads:
            raise CheckpointError(
                f"{self.job.settings.checkpoint_path}: processes that loaded it were ended from outside "
                f"{self.job.loads} times, for lack of memory? Use fewer with ray.num_workers"
            )

    def _load(self) -> Predictor:
        job, where = self.job, ray.util.get_node_ip_address()
        keep_freed_memory()
        torch.set_num_threads(job.threads)
        try:
            os.chdir(job.folder)
        except OSError as error:
            raise ConfigError(
                f"{where}: has no folder {job.folder}; the cluster's machines need the paths of the one that starts"
            ) from error
        predictor = predictor_from_settings(job.settings, job.explicit, job.device)
        if model_fingerprint(predictor.settings) != job.mark:
            raise CheckpointError(
                f"{where}: has another checkpoint at {job.settings.checkpoint_path}, or other versions of "
                "instageo-model or PyTorch; bring them into line"
            )
        return predictor
