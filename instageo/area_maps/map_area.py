"""Map an area from Python, or for a server: a place and days in, maps with hectares out."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

from instageo.area_maps.area_plan import AreaPlan, SpeedTrial, make_plan
from instageo.area_maps.map_tiles import TILES, ShowTileProgress, check_folder, map_tiles, prepare_area
from instageo.area_maps.output_folder import held_output
from instageo.area_maps.products.area_pages import write_pages
from instageo.area_maps.products.measuring import measure_maps, zones_of
from instageo.area_maps.request import AreaOutput, AreaRequest, Days, parse_days
from instageo.area_maps.results import AreaMaps
from instageo.arguments import as_path
from instageo.errors import ConfigError
from instageo.files import remove_temporary_files, write_text
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.from_settings import job_without_scenes
from instageo.model.map_jobs.map_job import MapJob
from instageo.model.map_jobs.trained_model import load_model
from instageo.model.settings.map_settings import MapSettings
from instageo.raster.area_products.zones import Zone

AREA = "area.geojson"
"""File of an area that is given as GeoJSON, in the output folder."""

DateLike = str | date | tuple[str | date, str | date]
"""A day, a period such as `2026-11-20/2026-11-26`, or first and last day."""


def make_area_maps(
    job: MapJob,
    request: AreaRequest,
    output: AreaOutput,
    zones: Sequence[Zone],
    progress: ShowTileProgress,
    *,
    command: str = "",
    announce: Callable[[AreaPlan], None] | None = None,
    speed: SpeedTrial | None = None,
) -> AreaMaps:
    """Map an area with loaded networks, and write mosaics, records, hectares, pictures and a report.

    Args:
        job: The networks and what is written, without scenes.
        request: What to map.
        output: Where maps are written.
        zones: What is measured: the whole area, then further zones.
        progress: Called with what is done, the number of steps that are done, and of all steps.
        command: The command that makes the same again, for the report.
        announce: Called with the plan before anything is mapped.
        speed: Speed of the first network, if it was tried before.

    Raises:
        DataError: Another run maps into the folder, it holds maps of another request, or no tile can be mapped.
        InstaGeoError: The area or images cannot be read or do not fit the model, or a disk refuses a file.
    """
    predictor = job.ensemble.first
    with held_output(output.folder / TILES):
        remove_temporary_files(output.folder)
        if not job.overwrite:
            check_folder(request, output.folder)
        work = prepare_area(predictor, request, output)
        if announce is not None:
            announce(make_plan(work.area, work.search, work.scenes, speed or SpeedTrial(predictor)))
        maps = replace(map_tiles(job, work, output, progress), command=command)
        return write_pages(measure_maps(maps, predictor, zones), zones, output.folder)


def job_for_output(predictor: Predictor, output: AreaOutput) -> MapJob:
    """Return what computes and writes the maps of an output, without scenes."""
    settings = MapSettings(probabilities=output.probabilities, memory_mb=output.memory_mb, overwrite=output.overwrite)
    return job_without_scenes(predictor, settings)


def map_area(
    model: str | Path | Predictor,
    area: str | Path | Sequence[float] | Mapping[str, Any],
    dates: DateLike | Sequence[DateLike],
    output: str | Path,
    *,
    progress: Callable[[str, int, int], None] | None = None,
    **options: Any,
) -> AreaMaps:
    """Map an area on days, as `instageo map --area` does.

    Args:
        model: Checkpoint, run folder, registry name, or a loaded model.
        area: File of polygons, tile such as `36KXD`, west, south, east and north in degrees, or GeoJSON.
        dates: Day or period; for models of several dates a list with one for each.
        output: Folder of all files.
        progress: Called with what is done, the number of steps that are done, and of all steps.
        **options: Fields of `AreaRequest`, such as `source="sentinel2"`, `composite="newest"`, `zones="zones.gpkg"`,
            and of `AreaOutput`, such as `probabilities=True`.

    Returns:
        The maps, with `areas` (hectares) and `files`.

    Raises:
        InstaGeoError: The model, the area or images cannot be found or do not fit together, or a disk refuses a file.

    Examples:
        >>> import instageo
        >>> maps = instageo.map_area(  # doctest: +SKIP
        ...     "runs/floods", (34.5, -20.1, 35.2, -19.4), "2026-11-20/2026-11-26", "beira"
        ... )
        >>> maps.areas.zones[0].classes[1].hectares  # doctest: +SKIP
        1234.5
    """
    folder = Path(as_path("output", output))
    asked, written = ({part.name for part in fields(kind)} - own for kind, own in (
        (AreaRequest, {"area", "days"}), (AreaOutput, {"folder"})
    ))  # fmt: skip
    if unknown := set(options) - asked - written:
        raise TypeError(f"unknown option {min(unknown)}; the options are {', '.join(sorted(asked | written))}")
    request = AreaRequest(
        _area_text(area, folder), _days(dates), **{name: value for name, value in options.items() if name in asked}
    )
    target = AreaOutput(folder, **{name: value for name, value in options.items() if name in written})
    predictor = model if isinstance(model, Predictor) else load_model(str(model))
    show = progress or (lambda _text, _done, _total: None)
    return make_area_maps(job_for_output(predictor, target), request, target, zones_of(request), show)


def _area_text(area: str | Path | Sequence[float] | Mapping[str, Any], folder: Path) -> str:
    """Return an area as the command takes it; GeoJSON becomes a file in the folder."""
    if isinstance(area, (str, Path)):
        return str(area)
    if isinstance(area, Mapping):
        feature = area if "features" in area or area.get("type") == "Feature" else _feature(area)
        write_text(folder / AREA, json.dumps(feature))
        return str(folder / AREA)
    if len(area) != 4:
        raise ConfigError(
            f"area={list(area)}: has {len(area)} numbers; expected west, south, east and north in degrees"
        )
    return ",".join(f"{float(number):.15g}" for number in area)


def _feature(geometry: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": dict(geometry)}


def _days(dates: DateLike | Sequence[DateLike]) -> tuple[Days, ...]:
    """Return the days of each date; a tuple of two days is a period, a list has several dates."""
    if isinstance(dates, (str, date, tuple)):
        return (_day(dates),)
    return tuple(_day(each) for each in dates)


def _day(given: DateLike) -> Days:
    return parse_days("/".join(map(str, given)) if isinstance(given, tuple) else str(given))
