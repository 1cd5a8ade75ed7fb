"""Find the images of an area, and map each tile from a composite of them."""

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from instageo.area_maps.model_facts import describe_model
from instageo.area_maps.preparation.area import Area, read_area
from instageo.area_maps.preparation.area_scene import AreaScene, choose_resolution, choose_source
from instageo.area_maps.preparation.area_tiles import divide_area
from instageo.area_maps.preparation.image_search import ImageSearch, search_images
from instageo.area_maps.preparation.option_checks import check_options
from instageo.area_maps.products.coverage import write_coverage
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.area_maps.results import AreaMaps, MappedImage, TileMap
from instageo.data.catalogs.item_lists import write_items
from instageo.data.composites.composite_scene import UnusableImageError
from instageo.data.reading.block_cache import BlockCache
from instageo.data.scene_search import ITEMS
from instageo.errors import ConfigError, DataError, InstaGeoError, RasterError
from instageo.files import write_text
from instageo.locations import user_cache
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.map_job import MapJob
from instageo.model.map_jobs.map_scenes import map_each
from instageo.model.settings.derived import band_names
from instageo.plain_values import load_json_file
from instageo.wording import counted, first_line

log = logging.getLogger(__name__)

REQUEST, TILES, BLOCKS = "request.json", "tiles", "blocks"

ShowTileProgress = Callable[[str, int, int], None]
"""Called with what is done, the number of steps that are done, and of all steps."""


@dataclass(frozen=True)
class AreaWork:
    """An area with its images, ready to be mapped.

    Attributes:
        request: What the user asks for.
        area: The area.
        search: Its images.
        scenes: The tiles, in the order in which their maps count.
    """

    request: AreaRequest
    area: Area
    search: ImageSearch
    scenes: tuple[AreaScene, ...]


def prepare_area(predictor: Predictor, request: AreaRequest, output: AreaOutput, *, keep_list: bool = True) -> AreaWork:
    """Find the images of an area, and divide it by tile.

    Args:
        predictor: Says which bands, dates and pixels it takes.
        request: What the user asks for.
        output: Where images and blocks are kept.
        keep_list: Whether the list of images is written to the output folder, or taken from it.

    Raises:
        InstaGeoError: The area or images cannot be found, or do not fit the model.
    """
    _check_dates(predictor, request)
    area, source = read_area(request.area), choose_source(predictor, request.source)
    check_options(request, source)
    own_list = output.folder / ITEMS if keep_list else None
    cache = BlockCache(user_cache() / BLOCKS, output.cache_mb * 10**6)
    search = search_images(request, area, source, band_names(predictor.settings), own_list, cache, output.threads)
    tiling = predictor.tiling
    tiles = divide_area(
        area, search.scenes, request, resolution=choose_resolution(predictor, source, request.resolution),
        context=tiling.tile - tiling.stride,
    )  # fmt: skip
    if own_list is not None and own_list != Path(request.catalog or ""):
        write_items(own_list, search.item_list, files_from=search.list_folder)
    scenes = tuple(AreaScene(tile.name, tile, search, request, search.files, output.threads) for tile in tiles)
    return AreaWork(request, area, search, scenes)


def map_tiles(job: MapJob, work: AreaWork, output: AreaOutput, progress: ShowTileProgress) -> AreaMaps:
    """Map all tiles of an area; one that cannot be mapped does not stop the others.

    A run that was stopped goes on where it was.

    Args:
        job: The networks and what is written, without scenes.
        work: The area.
        output: Where the maps are written.
        progress: Called with what is done.

    Raises:
        DataError: No tile can be mapped.
    """
    write_text(output.folder / REQUEST, json.dumps(_as_json(work.request), indent=1))
    job = replace(job, model_name=output.model_name)
    tiles: list[TileMap] = []
    paths = [output.folder / TILES / f"{scene.name}.tif" for scene in work.scenes]
    finished = set() if job.workers is None else _map_on_ray(job, work.scenes, paths, progress)
    job = replace(job, workers=None)  # what failed on Ray is tried here, where images can be left out
    for number, (scene, path) in enumerate(zip(work.scenes, paths, strict=True)):
        try:
            show = _TileProgress(scene.name, number, len(work.scenes), progress)
            if path in finished:
                with suppress(UnusableImageError):
                    tiles.append(_describe_tile(scene, path))
                    continue
            tiles.append(_map_tile(job, scene, path, show))
        except InstaGeoError as error:
            if len(work.scenes) == 1:
                raise
            log.warning("%s: %s", scene.name, error)
            tiles.append(TileMap(scene.name, path, error=str(error)))
    if all(tile.error for tile in tiles):
        raise DataError(f"none of {counted(len(tiles), 'tile')} could be mapped: {tiles[0].error}")
    predictor, legend = job.ensemble.first, job.legend
    names = () if legend is None else tuple(predictor.class_names)
    colors = [] if legend is None else ["#{:02x}{:02x}{:02x}".format(*legend.colors[i]) for i in range(len(names))]
    model = describe_model(predictor, work.search.source, output.model_name)
    request = replace(work.request, mask=work.search.mask)
    return AreaMaps(
        request, output.folder, work.area.geojson(), tuple(tiles), model, names, colors, notes=work.search.notes
    )


def _map_tile(job: MapJob, scene: AreaScene, path: Path, show: "_TileProgress") -> TileMap:
    """Map a tile; images that turn out to be of no use are left out, and the tile begins again."""
    while True:
        try:
            map_each(replace(job, scenes=[scene], outputs=[path]), show)
            return _describe_tile(scene, path)
        except UnusableImageError as error:
            log.warning("%s: %s is left out: %s", scene.name, error.item.id, error)
            scene = replace(scene, excluded=scene.excluded | {error.item})
            if not all(scene.images):
                raise DataError(
                    f"{scene.name}: no image of a date can be read, the last one because: {error}"
                ) from error


def _describe_tile(scene: AreaScene, path: Path) -> TileMap:
    """Write which image each pixel of a map is of, and return the map with its images."""
    coverage = path.with_name(f"{path.stem}_coverage.tif")
    pixels = write_coverage(scene.composite(), path, coverage, threads=scene.threads)
    images = [
        MappedImage(item.id, item.collection, item.time, item.cloud_percent, count, date)
        for date, (items, counts) in enumerate(zip(scene.images, pixels, strict=True))
        for item, count in zip(items, counts, strict=True)
    ]
    return TileMap(scene.name, path, tuple(images), coverage)


def _map_on_ray(
    job: MapJob, scenes: Sequence[AreaScene], paths: Sequence[Path], progress: ShowTileProgress
) -> set[Path]:
    """Map tiles side by side, and return the paths of those that could be mapped."""
    show = _TileProgress(counted(len(scenes), "tile"), 0, 1, progress)
    try:
        reports = map_each(replace(job, scenes=scenes, outputs=paths), show)
    except RasterError as error:  # of the only tile
        log.warning("%s", error)
        return set()
    return {report.output for report in reports if report.error is None}


@dataclass(frozen=True)
class _TileProgress:
    """Shows the progress of a tile as a part of that of all tiles."""

    name: str
    number: int
    num_tiles: int
    progress: ShowTileProgress

    def __call__(self, description: str) -> AbstractContextManager[Callable[[int, int], None]]:  # noqa: ARG002
        """Return a block whose value is called with what is done of the tile, and all that is to do."""

        def advance(done: int, total: int) -> None:
            text = f"mapping {self.name}, {self.number + 1} of {self.num_tiles}"
            self.progress(text, 1000 * self.number + 1000 * done // max(total, 1), 1000 * self.num_tiles)

        return nullcontext(advance)


def _check_dates(predictor: Predictor, request: AreaRequest) -> None:
    expected = predictor.settings.dataloader.temporal_dim
    if len(request.days) != expected:
        raise ConfigError(
            f"date: {counted(len(request.days), 'date', 'are')} given, but the model was trained on {expected}; repeat "
            "--date for each, in their order: a day or a period"
        )


def check_folder(request: AreaRequest, folder: Path) -> None:
    """Raise a DataError if a folder holds maps of another request, or does not say of which; zones may differ."""
    path, own = folder / REQUEST, _as_json(request)
    if not path.is_file():
        return
    try:
        former = load_json_file(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({first_line(error)}), so it is not known what the maps in its folder are of; "
            "choose another folder, or --overwrite"
        ) from error
    changed = [name for name in own if not isinstance(former, dict) or former.get(name) != own[name]]
    if changed and set(changed) != {"zones"}:
        raise DataError(
            f"{folder}: holds maps of another request ({', '.join(changed)} changed); choose another folder, or "
            "--overwrite"
        )


def _as_json(request: AreaRequest) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(asdict(request), default=str))
    return values
