"""Map scenes with worker processes on Ray, on this machine or a cluster.

This process opens the scenes, holds the folders of their pieces, and hands out ranges of pieces; workers read, predict
and write these, and join them when all are there, so pixels never travel between processes.
"""

import math
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
import torch

from instageo.errors import InstaGeoError
from instageo.model.inference.backend_choice import chosen_backend
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.inference.ray_cluster import ray_cluster
from instageo.model.inference.ray_worker import (
    WorkerSetup,
    check_model,
    explain_killed_loads,
    load_in_worker,
    set_up_workers,
)
from instageo.model.map_jobs.from_settings import load_ensemble
from instageo.model.map_jobs.map_backends import choose_for_workers
from instageo.model.map_jobs.map_job import (
    MapJob,
    MapReport,
    ShowProgress,
    WorkerSettings,
    begin_map,
    report_failure,
    report_map,
)
from instageo.model.map_jobs.products import WantedPolygons, write_products
from instageo.model.map_jobs.ray_pool import WorkerPool
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_pieces import MadePieces, map_pieces
from instageo.model.mapping.map_scene import Progress, samples_per_range, summarize
from instageo.model.mapping.prepared_map import PieceRange, PreparedMap, prepare_map
from instageo.model.scenes.scene_input import MapScene
from instageo.raster.map_products.map_areas import ClassAreas
from instageo.raster.writing import ClassLegend
from instageo.wording import counted

LARGE_SCENE = 6 * 4096**2
"""Values of a scene (rows x columns x layers) from which several workers share it."""

RANGES_PER_WORKER = 2
"""Ranges of pieces of a large scene for each worker; the rows of tiles at their borders are predicted twice."""

MIN_RANGE_ROWS = 4
"""Fewest rows of blocks of a range of a divided scene."""


@dataclass(frozen=True)
class MapRange:
    """Task of making some pieces of a map."""

    prepared: PreparedMap
    pieces: PieceRange
    max_samples: int

    def run(self, ensemble: Ensemble) -> MadePieces:
        """Make the pieces that are missing."""
        return map_pieces(ensemble, self.prepared, self.pieces, max_samples=self.max_samples)


@dataclass(frozen=True)
class JoinMap:
    """Task of joining the pieces of a map, and of writing what is made from it."""

    prepared: PreparedMap
    legend: ClassLegend | None
    polygons: WantedPolygons | None

    def run(self, _: Ensemble) -> tuple[dict[str, Path], list[Path], ClassAreas | None]:
        """Return the files of the map, those made from it, and the areas of its classes."""
        files = self.prepared.join()
        return files, *write_products(self.prepared.output, self.prepared.source.name, self.legend, self.polygons)


Steps = Generator[Sequence[MapRange | JoinMap], list[Any], MapReport]
"""Yields tasks that may be done at the same time, and gets their results; returns what became of the scene."""


@dataclass(eq=False)
class _Scene:
    """A scene on its way to a map.

    Attributes:
        files: What the user named.
        output: Path of its map.
        steps: What is to be done.
        num_waiting: Tasks of its present step that have not ended.
        results: Results of the others.
        error: Error of one of them.
    """

    files: MapScene
    output: Path
    steps: Steps
    num_waiting: int = 0
    results: list[Any] = field(default_factory=list)
    error: InstaGeoError | None = None

    def __str__(self) -> str:
        return self.files.name

    def proceed(self) -> Sequence[MapRange | JoinMap] | MapReport:
        """Return the tasks of the next step, or what became of the scene.

        Raises:
            InstaGeoError: It cannot be mapped.
        """
        results, self.results = self.results, []
        try:
            if self.error is not None:
                return self.steps.throw(self.error)
            return self.steps.send(results) if results else next(self.steps)
        except StopIteration as end:
            report: MapReport = end.value
            return report


def map_on_ray(job: MapJob, workers: WorkerSettings, show_progress: ShowProgress) -> list[MapReport]:
    """Map scenes on Ray; one that fails, or kills its workers, does not stop the others.

    Raises:
        ConfigError: The cluster cannot be reached, or has fewer GPUs or cores than requested.
        InstaGeoError: A worker cannot load the model, or the only scene cannot be mapped.
    """
    settings, count = workers.settings, len(job.scenes)
    title = job.scenes[0].name if count == 1 else counted(count, "scene")
    with ray_cluster(settings.ray.address), show_progress(f"mapping {title}") as progress:
        plan, setup = set_up_workers(settings, workers.explicit)
        job = replace(job, device=setup.device)
        job = choose_for_workers(job, setup.device, shared_machine=settings.ray.address is None)
        actor = ray.remote(num_cpus=plan.cpus, num_gpus=plan.gpus)(MapWorker)
        members = job.ensemble.members
        setup = replace(setup, backends=tuple(map(chosen_backend, members)))
        models = [model_fingerprint(member.settings, member.engine) for member in members]
        start = partial(actor.remote, setup, models, torch.backends.cpu.get_cpu_capability())
        explain = partial(explain_killed_loads, setup)
        pool = WorkerPool(start, plan.size, settings.ray.max_retries, setup.max_loads, explain)
        return _map_all(job, pool, progress)


def _map_all(job: MapJob, pool: WorkerPool, progress: Progress) -> list[MapReport]:
    """Open scenes while workers are busy, as many as keep them busy, and pass tasks and results on."""
    scenes = [
        _Scene(files, output, _map_one(job, files, output, pool.size))
        for files, output in zip(job.scenes, job.outputs, strict=True)
    ]
    reports: dict[_Scene, MapReport] = {}
    unopened, active = deque(scenes), set[_Scene]()

    def proceed(scene: _Scene) -> None:
        try:
            step = scene.proceed()
        except InstaGeoError as error:
            step = report_failure(job, scene.files, scene.output, error)
        if isinstance(step, MapReport):
            active.discard(scene)
            reports[scene] = step
            progress(len(reports), len(scenes))
            return
        active.add(scene)
        scene.num_waiting = len(step)
        for task in step:
            pool.submit(scene, task, first=isinstance(task, JoinMap))

    try:
        while unopened or active:
            while unopened and pool.num_queued < pool.size:
                proceed(unopened.popleft())
            if not active:
                break
            scene, result = pool.next()
            scene.num_waiting -= 1
            if isinstance(result, InstaGeoError):
                scene.error = scene.error or result
                scene.num_waiting -= pool.withdraw(scene)
            else:
                scene.results.append(result)
            if not scene.num_waiting:
                proceed(scene)
    finally:
        pool.close()  # before the folders of pieces are free for others
        for scene in active:
            scene.steps.close()
    return [reports[scene] for scene in scenes]


def _map_one(job: MapJob, scene: MapScene, output: Path, num_workers: int) -> Steps:
    start = begin_map(job, scene, output)
    if isinstance(start, MapReport):
        return start
    first = job.ensemble.first
    with prepare_map(first, start.source, output, start.options, start.fingerprint) as prepared:
        ranges = divide(prepared, num_workers)
        made: list[MadePieces] = []
        if ranges:
            made = yield [MapRange(prepared, each, samples_per_range(len(ranges))) for each in ranges]
        [(files, products, areas)] = yield [JoinMap(prepared, job.legend, job.polygons)]
    return report_map(start, summarize(first, files, made), products, areas)


def divide(prepared: PreparedMap, num_workers: int) -> list[PieceRange]:
    """Return ranges of the missing pieces: few, but several for each worker if the scene is large."""
    layers, ranges = prepared.source.scene.num_layers, prepared.missing_ranges()
    if num_workers == 1 or prepared.layout.height * prepared.layout.width * layers <= LARGE_SCENE:
        return ranges
    num_rows = sum(len(each.rows) for each in ranges)
    return prepared.missing_ranges(max(math.ceil(num_rows / (RANGES_PER_WORKER * num_workers)), MIN_RANGE_ROWS))


class MapWorker:
    """A worker process.

    Args:
        setup: How the networks are loaded.
        models: Fingerprint of each.
        capability: Instruction set that PyTorch uses in the process that starts the run.
    """

    def __init__(self, setup: WorkerSetup, models: Sequence[str], capability: str) -> None:
        self.setup, self.models, self.capability = setup, models, capability

    def load(self) -> InstaGeoError | str | None:
        """Load the networks; return an error that all other workers would have, too, or a warning."""
        try:
            self.ensemble = self._load()
        except InstaGeoError as error:
            return error
        own = torch.backends.cpu.get_cpu_capability()
        if self.setup.device == "cpu" and own != self.capability:
            return (
                f"a worker computes with {own}, but the process that starts the run has {self.capability}; the last "
                "digits of probabilities may differ between parts of maps"
            )
        return None

    def run(self, task: MapRange | JoinMap) -> object:
        """Return the result of a task, or its error."""
        try:
            return task.run(self.ensemble)
        except InstaGeoError as error:
            return error

    def _load(self) -> Ensemble:
        first = load_in_worker(self.setup, self.models[0])
        ensemble = load_ensemble(first, self.setup.settings.map, self.setup.explicit)
        others = [self.setup.with_backend(each, index) for index, each in enumerate(ensemble.members[1:], 1)]
        for member, expected in zip(others, self.models[1:], strict=True):
            check_model(member, expected)
        return replace(ensemble, members=[first, *others])
