"""Map scenes one after the other in this process, or on Ray, and write what is made from each."""

import logging
from collections.abc import Sequence
from pathlib import Path

from instageo.errors import InstaGeoError
from instageo.extras import required_by
from instageo.model.figures.canvas import load_in_background
from instageo.model.map_jobs.collection import write_collection
from instageo.model.map_jobs.map_backends import choose_for_maps
from instageo.model.map_jobs.map_job import MapJob, MapReport, ShowProgress, begin_map, report_failure, report_map
from instageo.model.map_jobs.products import write_products
from instageo.model.mapping.map_scene import SceneMap, map_scene
from instageo.model.scenes.scene_input import MapScene
from instageo.raster.map_products.map_areas import ClassAreas

log = logging.getLogger(__name__)


def map_scenes(job: MapJob, show_progress: ShowProgress) -> list[MapReport]:
    """Map scenes, in this process or on Ray; one that cannot be mapped does not stop the others.

    Raises:
        InstaGeoError: The only scene cannot be mapped, or Ray cannot be used.
    """
    reports = map_each(job, show_progress)
    made = [report.output for report in reports if report.error is None]
    if len(job.scenes) > 1 and made:
        paths = write_collection(made, job.ensemble.first)
        log.info("over all maps: %s", ", ".join(map(str, paths)))
    return reports


def map_each(job: MapJob, show_progress: ShowProgress) -> list[MapReport]:
    """Map scenes without anything over all of them; see `map_scenes`.

    Raises:
        InstaGeoError: The only scene cannot be mapped, or Ray cannot be used.
    """
    if job.workers is not None:
        with required_by("engine=ray", "model,cpu,serve"):
            from instageo.model.map_jobs.ray_maps import map_on_ray
        return map_on_ray(job, job.workers, show_progress)
    job, reports = choose_for_maps(job), []
    for scene, output in zip(job.scenes, job.outputs, strict=True):
        try:
            reports.append(_map_one(job, scene, output, show_progress))
        except InstaGeoError as error:
            reports.append(report_failure(job, scene, output, error))
    return reports


def _map_one(job: MapJob, scene: MapScene, output: Path, show_progress: ShowProgress) -> MapReport:
    start = begin_map(job, scene, output)
    if isinstance(start, MapReport):
        return start
    found: list[tuple[Sequence[Path], ClassAreas | None]] = []

    def finish(made: SceneMap) -> None:
        found.append(write_products(made.path, scene.name, job.legend, job.polygons))

    load_in_background()
    with show_progress(f"mapping {scene.name}") as progress:
        made = map_scene(
            job.ensemble, start.source, output, start.options, start.fingerprint, finish=finish, progress=progress
        )
    [(products, areas)] = found
    return report_map(start, made, products, areas)
