"""Map scenes one after the other, keep maps that are there already, and write what is made from each."""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import torch

from instageo.errors import InstaGeoError, RasterError
from instageo.locations import hide_secrets
from instageo.model.chips.value_range import describe_unlike
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.mapping.date_layers import ReadingOptions
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_files import WantedLayers, class_legend
from instageo.model.mapping.map_scene import Progress, SceneMap, map_scene
from instageo.model.mapping.prepared_map import MapOptions
from instageo.model.mapping.products import WantedPolygons, product_paths, write_products
from instageo.model.mapping.scene_input import SceneFiles, open_scene_input
from instageo.model.mapping.tiles import SceneInput
from instageo.raster.map_products.map_areas import ClassAreas
from instageo.raster.reading import READING_VERSION, read_info
from instageo.raster.writing import ClassLegend
from instageo.version import __version__

log = logging.getLogger(__name__)

FINGERPRINT_TAG = "INSTAGEO_FINGERPRINT"
"""Tag of maps that tells whether one is of the same scene, model and settings."""


class ShowProgress(Protocol):
    """Shows progress of one scene."""

    def __call__(self, description: str) -> AbstractContextManager[Progress]:
        """Return a block in which progress is shown; its value is called with tiles that are done, and all tiles."""


@dataclass(frozen=True)
class MapJob:
    """Scenes to map.

    Attributes:
        ensemble: The networks.
        scenes: The scenes.
        outputs: Path of the map of each.
        reading: How files are read.
        layers: What is written beyond classes or values.
        polygons: Which polygons are written; None for none.
        symmetries: Name of the set of flips and rotations, for provenance.
        memory_mb: Memory beyond that of the network and the program.
        overwrite: Whether maps that are there already are made again.
    """

    ensemble: Ensemble
    scenes: Sequence[SceneFiles]
    outputs: Sequence[Path]
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    layers: WantedLayers = field(default_factory=WantedLayers)
    polygons: WantedPolygons | None = None
    symmetries: str = "none"
    memory_mb: int = 1000
    overwrite: bool = False


@dataclass(frozen=True)
class MapReport:
    """What became of a scene.

    Attributes:
        scene: Its name.
        output: Path of its map.
        files: All files of the map.
        areas: Areas of the classes; None for values, and for a map that was there already.
        num_tiles: Tiles that were predicted.
        num_empty: Tiles without a valid pixel.
        seconds: Duration.
        kept: Whether the map was there already.
        error: Why there is no map; None if there is.
    """

    scene: str
    output: Path
    files: Sequence[Path] = ()
    areas: ClassAreas | None = None
    num_tiles: int = 0
    num_empty: int = 0
    seconds: float = 0.0
    kept: bool = False
    error: str | None = None


def map_scenes(job: MapJob, show_progress: ShowProgress) -> list[MapReport]:
    """Map scenes; one that cannot be mapped does not stop the others."""
    models = [model_fingerprint(member.settings) for member in job.ensemble.members]
    reports = []
    for scene, output in zip(job.scenes, job.outputs, strict=True):
        try:
            reports.append(_map_one(job, models, scene, output, show_progress))
        except InstaGeoError as error:
            if len(job.scenes) == 1:
                raise
            log.warning("%s", error)
            reports.append(MapReport(scene.name, output, error=str(error)))
    return reports


def _map_one(
    job: MapJob, models: Sequence[str], scene: SceneFiles, output: Path, show_progress: ShowProgress
) -> MapReport:
    began = time.perf_counter()
    source = open_scene_input(scene, job.ensemble.first, job.reading)
    fingerprint = _fingerprint(job, models, source)
    digest = sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
    if not job.overwrite and _is_made(output, digest):
        log.info("%s: kept, since it is of the same scene, model and settings; overwrite makes it again", output)
        files, areas = _write_missing_products(job, scene, output)
        return MapReport(scene.name, output, [output, *files], areas, kept=True)
    options = MapOptions(job.layers, job.memory_mb, _tags(job, models, source, digest))
    found: list[tuple[list[Path], ClassAreas | None]] = []

    def finish(made: SceneMap) -> None:
        found.append(write_products(made.path, scene.name, _legend(job), job.polygons))

    with show_progress(f"mapping {scene.name}") as progress:
        made = map_scene(job.ensemble, source, output, options, fingerprint, finish=finish, progress=progress)
    [(files, areas)] = found
    if made.num_tiles == 0 and made.num_empty:
        log.warning("%s: has no valid pixel; all of its map is no-data", scene.name)
    if unlike := describe_unlike([made.unlike_training]):
        log.warning("%s: %s", scene.name, unlike)
    return MapReport(
        scene.name,
        output,
        [*made.files.values(), *files],
        areas,
        made.num_tiles,
        made.num_empty,
        time.perf_counter() - began,
    )


def _legend(job: MapJob) -> ClassLegend | None:
    first = job.ensemble.first
    return class_legend(first.task, first.settings.model.class_colors)


def _write_missing_products(job: MapJob, scene: SceneFiles, output: Path) -> tuple[list[Path], ClassAreas | None]:
    """Write what is made from a map that is there already, if a file of it is missing."""
    legend = _legend(job)
    if all(path.exists() for path in product_paths(output, legend, job.polygons)):
        return [], None
    return write_products(output, scene.name, legend, job.polygons)


def _fingerprint(job: MapJob, models: Sequence[str], source: SceneInput) -> dict[str, object]:
    """Return what the pixels of a map depend on, by the words that say what has changed."""
    first = job.ensemble.first
    tiling = first.tiling
    return {
        "program": [__version__, READING_VERSION],
        "model": list(models),
        "tiles": [tiling.tile, tiling.stride, tiling.batch_size],
        "precision": first.settings.precision,
        "device": [first.device.type, torch.backends.cpu.get_cpu_capability()],
        "test-time augmentation": job.symmetries,
        "layers": asdict(job.layers),
        **source.stamp,
    }


def _tags(job: MapJob, models: Sequence[str], source: SceneInput, digest: str) -> dict[str, str]:
    """Return the tags that say where a map comes from."""
    paths = [hide_secrets(str(member.settings.checkpoint_path)) for member in job.ensemble.members]
    days = source.stamp["dates"]
    dates = {"DATES": ";".join(map(str, days))} if isinstance(days, list) and days else {}
    return dates | {
        "INSTAGEO_VERSION": __version__,
        "INSTAGEO_MODEL": ";".join(paths),
        "INSTAGEO_MODEL_FINGERPRINT": ";".join(models),
        "INSTAGEO_SCENE": hide_secrets(source.name),
        "INSTAGEO_TILES": f"{job.ensemble.first.tiling.tile}/{job.ensemble.first.tiling.stride}",
        "INSTAGEO_TTA": job.symmetries,
        FINGERPRINT_TAG: digest,
    }


def _is_made(output: Path, digest: str) -> bool:
    with suppress(RasterError):
        return output.exists() and read_info(output).tags.get(FINGERPRINT_TAG) == digest
    return False
