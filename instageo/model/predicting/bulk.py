"""Chips predicted by processes on Ray, of this machine or a cluster, with Ray Data.

A process is given a portion of chips at a time and reads, predicts and writes them itself, so that pixels never travel.
One that is ended from outside is started anew, and its portions are predicted again.
"""

import io
import logging
import os
import pickle
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray.data import ActorPoolStrategy, DataContext

from instageo.errors import CheckpointError, ConfigError, InstaGeoError
from instageo.model.memory import keep_freed_memory
from instageo.model.predicting.journal import model_mark
from instageo.model.predicting.work import Item, Outcome, predict_items
from instageo.model.predictor import Predictor, pick_device, predictor_from
from instageo.model.settings import Settings

log = logging.getLogger(__name__)

PORTION = 32
"""Chips of a portion, at the most."""

ROUNDS = 8
"""Portions for each process, at the least, where there are enough chips."""

STORE_BYTES = 128 << 20
"""Memory for what travels between processes."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Nothing is sent anywhere, notes for Ray's developers are not shown; without a GPU all stays visible."""

GPU_CPUS = 4
"""Cores for a process with a GPU: they read and write."""

KNOCK_S = 5
"""Seconds that a cluster may take to answer."""

LOAD = "the network"
"""Counts as begun while a process loads it."""

ENDED = "its process was ended from outside each time, for lack of memory?"
"""Why a chip could not be predicted."""


@dataclass(frozen=True)
class Job:
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


@dataclass(frozen=True)
class Crew:
    """How many processes there are, and what each takes of a cluster.

    Attributes:
        size: Processes.
        cpus: Cores of each.
        gpus: GPUs of each.
    """

    size: int
    cpus: int
    gpus: int


def predict_on_ray(
    settings: Settings, explicit: frozenset[str], mark: str, items: Sequence[Item], ahead: int
) -> Iterator[Outcome]:
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
    with cluster(settings.ray.address):
        crew = crew_for(settings, [node["Resources"] for node in ray.nodes() if node["Alive"]])
        mps = settings.ray.address is None and pick_device(settings.accelerator) == "mps"
        device = "cuda" if crew.gpus else "mps" if mps else "cpu"
        cores = crew.cpus if settings.ray.address else max(torch.get_num_threads() // crew.size, 1)
        loads = settings.ray.tries * crew.size
        job = Job(settings, explicit, mark, device, cores, ahead, str(Path.cwd()), loads)
        free = ray.available_resources()
        if free.get("CPU", 0) < crew.size * crew.cpus or free.get("GPU", 0) < crew.size * crew.gpus:
            log.warning("others use the cluster; waiting for %d times %d cores and %d GPUs", *vars(crew).values())
        yield from _outcomes(job, crew, items)


def crew_for(settings: Settings, nodes: Sequence[dict[str, float]]) -> Crew:
    """One process for each GPU, or for each machine where there is none, or as many as `ray.workers` says.

    Args:
        settings: `accelerator` and `ray`.
        nodes: Resources of each machine, by Ray's names.

    Raises:
        ConfigError: The cluster lacks what is asked for.
    """
    wanted, able = settings.ray.workers, [node for node in nodes if node.get("CPU", 0) >= 1]
    found = sum(int(node.get("GPU", 0)) for node in able) if settings.accelerator in ("auto", "gpu", "cuda") else 0
    if settings.accelerator in ("gpu", "cuda") and not found:
        raise ConfigError(f"accelerator={settings.accelerator}: the cluster has no GPU; use auto or cpu")
    if found:
        if wanted is not None and wanted > found:
            raise ConfigError(f"ray.workers={wanted}: the cluster has {found} GPUs; expected at most so many")
        with_gpus = [node for node in able if node.get("GPU", 0) >= 1]
        share = min(int(node["CPU"] // node["GPU"]) for node in with_gpus)
        return Crew(wanted or found, max(1, min(share, GPU_CPUS)), 1)
    size = wanted or len(able)
    most = sum(int(node["CPU"]) for node in able)
    if not 1 <= size <= most:
        raise ConfigError(f"ray.workers={wanted}: the cluster has {most} cores; expected at most so many")
    cpus = next(
        cpus for cpus in range(max(int(node["CPU"]) for node in able), 0, -1)
        if sum(int(node["CPU"]) // cpus for node in able) >= size
    )  # fmt: skip
    return Crew(size, cpus, 0)


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """A connection to a cluster, or one of this machine alone, while this block lasts; one there is, is used."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    own = not ray.is_initialized()
    asked: dict[str, Any] = {"address": address}
    if not address:
        asked = {"address": "local", "num_cpus": os.cpu_count(), "object_store_memory": STORE_BYTES}
        asked |= {"include_dashboard": False}
    with redirect_stdout(Losses()):
        if own:
            try:
                _knock(address)
                with _unheard():
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
def _unheard() -> Iterator[None]:
    """Without standard error, where Ray's core says at its start which messages it will leave out."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Losses(io.TextIOBase):
    """What Ray prints of processes and machines that ended, as one line in the log, not a page on stdout."""

    def write(self, text: str) -> int:
        """Log it."""
        if "worker died" in text or "marked dead" in text:
            log.warning("a process or a machine was lost; its chips are predicted again")
        log.debug("%s", text.strip())
        return len(text)


def _knock(address: str | None) -> None:
    """See that somebody answers, which Ray would try for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


def _outcomes(job: Job, crew: Crew, items: Sequence[Item]) -> Iterator[Outcome]:
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = min(PORTION, -(-len(items) // (ROUNDS * crew.size)))
    portions = [items[start : start + size] for start in range(0, len(items), size)]
    rows = [{"number": number, "portion": pickle.dumps(portion)} for number, portion in enumerate(portions)]
    begun = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Begun).remote()
    told = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        Member,
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


class Begun:
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


class Member:
    """One process: its network, loaded when the first portion comes."""

    def __init__(self, job: Job, begun: Any) -> None:
        self.job, self.begun = job, begun
        self.predictor: Predictor | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Outcomes of a portion, or the error that would meet all others, too."""
        told: Sequence[Outcome | InstaGeoError]
        try:
            if self.predictor is None:
                self._refuse_endless_loads()
                self.predictor = self._load()
                self._end(LOAD)
            portion = pickle.loads(batch["portion"][0])  # noqa: S301  # written by `_outcomes`
            told = self._predict(self.predictor, int(batch["number"][0]), portion)
        except InstaGeoError as error:
            told = [error]
        return {"told": [pickle.dumps(each) for each in told]}

    def _predict(self, predictor: Predictor, number: int, portion: Sequence[Item]) -> list[Outcome]:
        """The portion; if that ended a process before, chip by chip, without those that do it again and again."""
        if self._begin(number) == 1:
            return list(predict_items(predictor, portion, self.job.ahead))
        told: list[Outcome] = []
        for item in portion:
            name = item.row.input
            if self._begin(name) <= self.job.settings.ray.tries:
                told += predict_items(predictor, [item], 0)
            else:
                told.append(Outcome(name, ENDED))
            self._end(name)
        return told

    def _begin(self, what: int | str) -> int:
        count: int = ray.get(self.begun.begin.remote(what))
        return count

    def _end(self, what: int | str) -> None:
        ray.get(self.begun.end.remote(what))

    def _refuse_endless_loads(self) -> None:
        if self._begin(LOAD) > self.job.loads:
            raise CheckpointError(
                f"{self.job.settings.checkpoint_path}: processes that loaded it were ended from outside "
                f"{self.job.loads} times, for lack of memory? Use fewer with ray.workers"
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
        predictor = predictor_from(job.settings, job.explicit, job.device)
        if model_mark(predictor.settings) != job.mark:
            raise CheckpointError(
                f"{where}: has another checkpoint at {job.settings.checkpoint_path}, or other versions of "
                "instageo-model or PyTorch; bring them into line"
            )
        return predictor
