"""Build the work of `mode=map` from settings."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from instageo.errors import CheckpointError, ConfigError, DataError
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.map_jobs.map_job import MapJob, WorkerSettings
from instageo.model.map_jobs.products import WantedPolygons
from instageo.model.mapping.ensemble import TTA, Ensemble
from instageo.model.mapping.map_files import WantedLayers
from instageo.model.networks.checkpoint import locate_checkpoint
from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_list import check_not_scene, list_scenes, map_paths
from instageo.model.settings import Engine, Settings
from instageo.model.settings.derived import band_names
from instageo.model.settings.map_settings import MapSettings
from instageo.products.find import find_product
from instageo.raster.reading import read_info
from instageo.sensors import find_sensor


def map_job_from_settings(settings: Settings, explicit: frozenset[str], output: Path) -> MapJob:
    """Load the networks, and list the scenes.

    Args:
        settings: With `checkpoint_path` and the group `map`.
        explicit: Keys that the user set.
        output: Path of the map, or folder of maps, if `map.output` is null.

    Raises:
        InstaGeoError: A network cannot be loaded, a scene is missing, or settings contradict each other.
    """
    local = settings.engine.kind is Engine.local
    predictor = predictor_from_settings(settings, explicit, None if local else "cpu")
    job = build_map_job(predictor, settings.map, output, explicit)
    return job if local else replace(job, workers=WorkerSettings(settings, explicit))


def build_map_job(
    predictor: Predictor, map_settings: MapSettings, output: Path, explicit: frozenset[str] = frozenset()
) -> MapJob:
    """List the scenes of a loaded network, and load the further members of an ensemble."""
    job = job_without_scenes(predictor, map_settings, explicit)
    if map_settings.dilation and not map_settings.mask:
        raise ConfigError(f"dilation={map_settings.dilation:g}: nothing is masked; name flags with mask, or remove it")
    days = [date.fromisoformat(str(day)) for day in map_settings.dates]
    scenes = list_scenes(
        map_settings.scenes,
        map_settings.band_files,
        days,
        predictor.settings.dataloader.temporal_dim,
        lambda path: _has_all_dates(path, predictor, job.reading),
    )
    paths = map_paths(scenes, map_settings.output or str(output))
    check_not_scene(scenes, paths)
    if job.polygons is not None and len(scenes) > 1 and not job.polygons.path.startswith("."):
        raise DataError(
            f"vector={map_settings.vector}: is one file, but there are {len(scenes)} scenes; give the ending alone, "
            f"{Path(job.polygons.path).suffix}"
        )
    return replace(job, scenes=scenes, outputs=paths)


def job_without_scenes(
    predictor: Predictor, map_settings: MapSettings, explicit: frozenset[str] = frozenset()
) -> MapJob:
    """Load the further members of an ensemble, and check what is to be written.

    Raises:
        InstaGeoError: A member cannot be loaded, or settings contradict the model.
    """
    if map_settings.sensor is not None:
        find_sensor(map_settings.sensor, "sensor")
    polygons = None
    if map_settings.vector is not None:
        if predictor.settings.is_reg_task:
            raise ConfigError(
                f"vector={map_settings.vector}: polygons show classes, but the model predicts values; remove it"
            )
        polygons = WantedPolygons(map_settings.vector, map_settings.min_pixels, map_settings.memory_mb)
    return MapJob(
        load_ensemble(predictor, map_settings, explicit),
        (),
        (),
        ReadingOptions(
            map_settings.sensor,
            tuple(map_settings.bands),
            tuple(map_settings.mask),
            map_settings.dilation,
            tuple(map_settings.quality),
            map_settings.resolution,
        ),
        WantedLayers(map_settings.probabilities, map_settings.confidence, map_settings.spread),
        polygons,
        map_settings.tta,
        map_settings.memory_mb,
        map_settings.overwrite,
    )


def load_ensemble(predictor: Predictor, map_settings: MapSettings, explicit: frozenset[str]) -> Ensemble:
    """Load the further members of the ensemble of a loaded network.

    Raises:
        CheckpointError: A member is missing, or cannot be loaded.
    """
    for path in map_settings.members:
        if not (file := locate_checkpoint(path)).is_file():
            raise CheckpointError(f"members: checkpoint {file} does not exist; check members (option --member)")
    own_exports = replace(predictor.settings, engine=replace(predictor.settings.engine, export=None))
    members = [
        predictor_from_settings(replace(own_exports, checkpoint_path=path), explicit, predictor.device)
        for path in map_settings.members
    ]
    return Ensemble([predictor, *members], TTA[map_settings.tta])


def _has_all_dates(path: str, predictor: Predictor, reading: ReadingOptions) -> bool:
    """Return whether a raster has the layers of all dates rather than those of one."""
    if find_product(path) is not None:
        return False
    dates = predictor.settings.dataloader.temporal_dim
    expected = chip_format_from_settings(predictor.settings).rules.num_layers
    of_one_date = len(reading.bands) or (
        len(find_sensor(reading.sensor).bands)
        if reading.sensor
        else expected // dates
        if expected
        else len(band_names(predictor.settings))
    )
    return len(read_info(path).data_layers) != of_one_date
