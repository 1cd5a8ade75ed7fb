"""Predict chips with worker processes on Ray, on this machine or a cluster, through Ray Data.

A worker gets a block of chips at a time and reads, predicts and writes them itself, so pixels never travel between
processes. A worker that is killed is started again, and its blocks are predicted again.
"""

import logging
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext

from instageo.errors import InstaGeoError
from instageo.model.inference.backend_choice import ChosenBackend
from instageo.model.inference.batch import PredictionItem, PredictionOutcome, predict_items
from instageo.model.inference.predictor import Predictor
from instageo.model.inference.ray_cluster import WorkerPlan, ray_cluster
from instageo.model.inference.ray_worker import WorkerSetup, explain_killed_loads, load_in_worker, set_up_workers
from instageo.model.settings import Settings
from instageo.runtime.attempts import AttemptCounter

log = logging.getLogger(__name__)

MAX_BLOCK_CHIPS = 32
"""Most chips of a block."""

MIN_BLOCKS_PER_WORKER = 8
"""Fewest blocks for each worker, if there are enough chips."""

LOADING = "the network"
"""Key under which attempts to load the network are counted."""

WORKER_DIED = "its process was killed in each attempt, perhaps for lack of memory"
"""Why a chip could not be predicted."""


@dataclass(frozen=True)
class RayJob:
    """What every worker needs to know.

    Attributes:
        setup: How the model is loaded.
        fingerprint: Fingerprint of the model, which must be the same on all machines.
        ahead: Chips read in advance.
    """

    setup: WorkerSetup
    fingerprint: str
    ahead: int


def predict_on_ray(
    settings: Settings,
    explicit: frozenset[str],
    fingerprint: str,
    items: Sequence[PredictionItem],
    ahead: int,
    backend: ChosenBackend | None = None,
) -> Iterator[PredictionOutcome]:
    """Yield the outcome of each item in any order; an item that fails or kills its worker does not stop the others.

    Args:
        settings: Settings for the predictor, and `ray`.
        explicit: Keys that the user set.
        fingerprint: Fingerprint of the model (`model_fingerprint`).
        items: What to predict.
        ahead: Chips read in advance.
        backend: What computes the network; None for PyTorch.

    Raises:
        ConfigError: The cluster cannot be reached, or has fewer GPUs or cores than requested.
        InstaGeoError: A worker cannot load the model.
    """
    with ray_cluster(settings.ray.address):
        plan, setup = set_up_workers(settings, explicit)
        job = RayJob(replace(setup, backends=(backend,)), fingerprint, ahead)
        yield from _outcomes(job, plan, items)


def _outcomes(job: RayJob, plan: WorkerPlan, items: Sequence[PredictionItem]) -> Iterator[PredictionOutcome]:
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = min(MAX_BLOCK_CHIPS, -(-len(items) // (MIN_BLOCKS_PER_WORKER * plan.size)))
    blocks = [items[start : start + size] for start in range(0, len(items), size)]
    rows = [{"number": number, "items": pickle.dumps(block)} for number, block in enumerate(blocks)]
    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(AttemptCounter).remote()
    results = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        RayWorker,
        fn_constructor_args=(job, attempts),
        batch_size=1,
        compute=ActorPoolStrategy(size=plan.size),
        num_cpus=plan.cpus,
        num_gpus=plan.gpus,
    )
    for row in results.iter_rows():
        outcome = pickle.loads(row["outcome"])  # noqa: S301  # written by our own processes  # nosec B301
        if isinstance(outcome, InstaGeoError):
            raise outcome
        yield outcome


class RayWorker:
    """A worker process; loads its network when the first block arrives."""

    def __init__(self, job: RayJob, attempts: Any) -> None:
        self.job, self.attempts = job, attempts
        self.predictor: Predictor | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Return the outcomes of a block, or an error that would occur for all other blocks, too."""
        outcomes: Sequence[PredictionOutcome | InstaGeoError]
        try:
            if self.predictor is None:
                self._check_loads()
                self.predictor = self._load()
                self._complete(LOADING)
            items = pickle.loads(batch["items"][0])  # noqa: S301  # written by `_outcomes`  # nosec B301
            outcomes = self._predict(self.predictor, int(batch["number"][0]), items)
        except InstaGeoError as error:
            outcomes = [error]
        return {"outcome": [pickle.dumps(outcome) for outcome in outcomes]}

    def _predict(self, predictor: Predictor, number: int, items: Sequence[PredictionItem]) -> list[PredictionOutcome]:
        """Predict a block; if it killed a worker before, chip by chip, without chips that have no attempt left."""
        if self._begin(number) == 1:
            return list(predict_items(predictor, items, self.job.ahead))
        outcomes: list[PredictionOutcome] = []
        for item in items:
            name = item.row.input
            if self._begin(name) <= self.job.setup.settings.ray.max_retries + 1:
                outcomes += predict_items(predictor, [item], 0)
            else:
                outcomes.append(PredictionOutcome(name, WORKER_DIED))
            self._complete(name)
        return outcomes

    def _begin(self, work: int | str) -> int:
        count: int = ray.get(self.attempts.begin.remote(work))
        return count

    def _complete(self, work: int | str) -> None:
        ray.get(self.attempts.complete.remote(work))

    def _check_loads(self) -> None:
        """Raise if loading the network has killed workers too often."""
        if self._begin(LOADING) > self.job.setup.max_loads:
            raise explain_killed_loads(self.job.setup)

    def _load(self) -> Predictor:
        return load_in_worker(self.job.setup, self.job.fingerprint)
