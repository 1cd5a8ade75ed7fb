"""Choose what computes the networks of a map job, with tiles of its first scene."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from instageo.errors import InstaGeoError
from instageo.model.chips.sample import Sample
from instageo.model.inference.backend_choice import choose_for_work, use_named_backend
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.map_job import MapJob
from instageo.model.mapping.ordered_work import divide_threads
from instageo.model.mapping.trial_tiles import count_scene_tiles, read_trial_tiles, scene_tile_size
from instageo.model.scenes.tiles import SceneInput

log = logging.getLogger(__name__)


def choose_for_maps(job: MapJob) -> MapJob:
    """Return a job whose networks are computed by what is fastest, or by what the settings `engine` name."""
    source = _first_scene(job)
    if source is None:
        return job
    ensemble = job.ensemble
    members = [_choose(member, source, len(job.scenes) * len(ensemble.symmetries)) for member in ensemble.members]
    return replace(job, ensemble=replace(ensemble, members=members))


def choose_for_workers(job: MapJob, device: str, *, shared_machine: bool) -> MapJob:
    """Return a job whose networks are computed by what all workers on Ray are to use.

    Args:
        job: In the process that starts the run.
        device: Kind of device of the workers.
        shared_machine: Whether they run on this machine; on others nothing is tried.
    """
    if device == "cpu" and shared_machine:
        return choose_for_maps(job)
    members = [use_named_backend(member, device) for member in job.ensemble.members]
    return replace(job, ensemble=replace(job.ensemble, members=members))


def _first_scene(job: MapJob) -> SceneInput | None:
    for scene in job.scenes:
        with suppress(InstaGeoError):  # which is reported when the scene is mapped
            return scene.open(job.ensemble.first, job.reading)
    return None


def _choose(predictor: Predictor, source: SceneInput, times: int) -> Predictor:
    def read_tiles(count: int) -> Sequence[Sample]:
        with suppress(InstaGeoError):
            return read_trial_tiles(predictor, source, count)
        return []

    num_tiles = count_scene_tiles(predictor, source) * times
    num_callers, _ = divide_threads(predictor, predictor.tiling.batch_size)
    return choose_for_work(predictor, read_tiles, num_tiles, scene_tile_size(predictor, source), num_callers)
