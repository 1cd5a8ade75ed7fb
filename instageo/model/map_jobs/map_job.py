"""Scenes to map, what their maps depend on, and what became of them; maps that are there already are kept."""

import json
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import torch

from instageo.errors import InstaGeoError, RasterError
from instageo.locations import hide_secrets
from instageo.model.chips.distribution_shift import describe_unlike
from instageo.model.inference.fingerprint import model_fingerprint
from instageo.model.map_jobs.products import WantedPolygons, product_paths, write_products
from instageo.model.mapping.ensemble import Ensemble
from instageo.model.mapping.map_files import MapFile, WantedLayers, plan_map_files
from instageo.model.mapping.map_scene import Progress, SceneMap
from instageo.model.mapping.prepared_map import MapOptions
from instageo.model.mapping.run_state import is_unfinished, remove_leftovers
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import MapScene
from instageo.model.scenes.tiles import SceneInput
from instageo.model.settings import Settings
from instageo.raster.map_products.map_areas import ClassAreas
from instageo.raster.map_products.polygon_files import check_polygon_file
from instageo.raster.reading import READING_VERSION, read_info
from instageo.raster.writing import ClassLegend
from instageo.version import __version__

log = logging.getLogger(__name__)

FINGERPRINT_TAG = "INSTAGEO_FINGERPRINT"
"""Tag of maps: whether one is of the same scene, model and settings."""


class ShowProgress(Protocol):
    """Shows progress."""

    def __call__(self, description: str) -> AbstractContextManager[Progress]:
        """Return a block in which progress is shown; its value is called with what is done, and all that is to do."""


@dataclass(frozen=True)
class WorkerSettings:
    """What worker processes load the networks from.

    Attributes:
        settings: With `checkpoint_path`, and the groups `map` and `ray`.
        explicit: Keys that the user set.
    """

    settings: Settings
    explicit: frozenset[str]


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
        workers: Settings of worker processes on Ray; None to map in this process.
        device: Kind of device that computes; None for that of the networks.
        model_name: Name of the model in the tags of maps; None for the paths of the checkpoints.
    """

    ensemble: Ensemble
    scenes: Sequence[MapScene]
    outputs: Sequence[Path]
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    layers: WantedLayers = field(default_factory=WantedLayers)
    polygons: WantedPolygons | None = None
    symmetries: str = "none"
    memory_mb: int = 1000
    overwrite: bool = False
    workers: WorkerSettings | None = None
    device: str | None = None
    model_name: str | None = None

    @cached_property
    def models(self) -> list[str]:
        """Fingerprint of each network."""
        return [model_fingerprint(_without_choices(member.settings)) for member in self.ensemble.members]

    @property
    def legend(self) -> ClassLegend | None:
        """Names and colours of the classes; None for regression."""
        return self.planned_files[0].legend

    def raster_paths(self, output: Path) -> list[Path]:
        """Return the raster files of a map, that of classes or values first."""
        return [file.path(output) for file in self.planned_files]

    @property
    def planned_files(self) -> list[MapFile]:
        """Raster files of each map, that of classes or values first; their layouts are of no scene."""
        first = self.ensemble.first
        return plan_map_files(first.task, first.settings.model.class_colors, (1, 1), 1, self.layers)


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


@dataclass(frozen=True)
class MapStart:
    """A map that is to be made.

    Attributes:
        source: The scene.
        output: Path of the map.
        options: What is written.
        fingerprint: What its pixels depend on, by the words that say what has changed.
        began: When work on it began, by `time.perf_counter`.
    """

    source: SceneInput
    output: Path
    options: MapOptions
    fingerprint: dict[str, object]
    began: float


def begin_map(job: MapJob, scene: MapScene, output: Path) -> MapStart | MapReport:
    """Open a scene; if its map is there already, write what is missing next to that, and report it.

    Raises:
        InstaGeoError: The scene cannot be read, or a file cannot be written.
    """
    began = time.perf_counter()
    source = scene.open(job.ensemble.first, job.reading)
    if job.polygons is not None:
        check_polygon_file(job.polygons.next_to(output), source.scene.grid, scene.name)
    rasters = job.raster_paths(output)
    remove_leftovers(output, [*rasters, *product_paths(output, job.legend, job.polygons)])
    fingerprint = _fingerprint(job, source)
    digest = sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()
    if not job.overwrite and _is_made(rasters, digest) and not is_unfinished(output, fingerprint):
        log.info("%s: kept, since it is of the same scene, model and settings; overwrite makes it again", output)
        files, areas = _write_missing_products(job, scene, output)
        return MapReport(scene.name, output, [*rasters, *files], areas, kept=True)
    options = MapOptions(job.layers, job.memory_mb, _tags(job, source, digest))
    return MapStart(source, output, options, fingerprint, began)


def report_map(start: MapStart, made: SceneMap, products: Sequence[Path], areas: ClassAreas | None) -> MapReport:
    """Report a finished map, with warnings if it is empty or its scene is unlike the training chips."""
    name = start.source.name
    if made.num_tiles == 0 and made.num_empty:
        log.warning("%s: has no valid pixel; all of its map is no-data", name)
    if unlike := describe_unlike([made.unlike_training]):
        log.warning("%s: %s", name, unlike)
    files, seconds = [*made.files.values(), *products], time.perf_counter() - start.began
    return MapReport(name, start.output, files, areas, made.num_tiles, made.num_empty, seconds)


def report_failure(job: MapJob, scene: MapScene, output: Path, error: InstaGeoError) -> MapReport:
    """Report a scene that cannot be mapped, which does not stop others.

    Raises:
        InstaGeoError: The error itself, if there are no other scenes.
    """
    if len(job.scenes) == 1:
        raise error
    log.warning("%s", error)
    return MapReport(scene.name, output, error=str(error))


def _write_missing_products(job: MapJob, scene: MapScene, output: Path) -> tuple[list[Path], ClassAreas | None]:
    """Write what is made from a map that is there already, if a file of it is missing; polygons in any case.

    Nothing says which smallest size those of an earlier run have.
    """
    paths = product_paths(output, job.legend, job.polygons)
    if job.polygons is None and all(path.exists() for path in paths):
        return paths, None
    return write_products(output, scene.name, job.legend, job.polygons)


def _without_choices(settings: Settings) -> Settings:
    """Return settings without those that the fingerprint of a map names apart, or that only choose a device."""
    default = Settings()
    return replace(
        settings,
        test=replace(default.test, mask_cloud=settings.test.mask_cloud),
        train=replace(settings.train, batch_size=default.train.batch_size),
        precision=default.precision,
        accelerator=default.accelerator,
    )


def _fingerprint(job: MapJob, source: SceneInput) -> dict[str, object]:
    """Return what the pixels of a map depend on, by the words that say what has changed."""
    first = job.ensemble.first
    tiling = first.tiling
    return {
        "program": [__version__, READING_VERSION],
        "model": job.models,
        "tiles": [tiling.tile, tiling.stride, tiling.batch_size],
        "precision": first.settings.precision,
        "engine": [member.engine for member in job.ensemble.members],
        "device": [job.device or first.device.type, torch.backends.cpu.get_cpu_capability()],
        "test-time augmentation": job.symmetries,
        "layers": asdict(job.layers),
        **source.stamp,
    }


def _tags(job: MapJob, source: SceneInput, digest: str) -> dict[str, str]:
    """Return the tags that say where a map comes from."""
    paths = [hide_secrets(str(member.settings.checkpoint_path)) for member in job.ensemble.members]
    days = source.stamp["dates"]
    dates = {"DATES": ";".join(map(str, days))} if isinstance(days, list) and days else {}
    return dates | {
        "INSTAGEO_VERSION": __version__,
        "INSTAGEO_MODEL": job.model_name or ";".join(paths),
        "INSTAGEO_MODEL_FINGERPRINT": ";".join(job.models),
        "INSTAGEO_ENGINE": ";".join(member.engine for member in job.ensemble.members),
        "INSTAGEO_SCENE": hide_secrets(source.name),
        "INSTAGEO_TILES": f"{job.ensemble.first.tiling.tile}/{job.ensemble.first.tiling.stride}",
        "INSTAGEO_TTA": job.symmetries,
        FINGERPRINT_TAG: digest,
    }


def _is_made(rasters: Sequence[Path], digest: str) -> bool:
    """Return whether all raster files of a map are there, made of the same scene by the same model and settings."""
    with suppress(RasterError):
        return all(path.exists() and read_info(path).tags.get(FINGERPRINT_TAG) == digest for path in rasters)
    return False
