"""Run the requests of a command: plan or map an area, compare two periods, or follow it over time."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from instageo.area_maps.area_plan import AreaPlan, make_plan
from instageo.area_maps.area_products import measure_maps, zones_of
from instageo.area_maps.map_tiles import map_tiles, prepare_area
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.area_maps.results import AreaMaps
from instageo.model.inference.predictor import predictor_from_settings
from instageo.model.map_jobs.from_settings import job_without_scenes
from instageo.model.map_jobs.map_job import ShowProgress
from instageo.model.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AreaOptions:
    """Where maps are written, and what the command prints.

    Attributes:
        folder: Folder of all files.
        threads: Files that are read at a time.
        cache_mb: Size of the cache of blocks on disk, MB.
        plan_only: Whether the plan is shown, and nothing is mapped.
        price_per_hour: Price of an hour of this machine, for the plan.
        as_json: Whether results are printed as JSON.
    """

    folder: Path
    threads: int = 8
    cache_mb: int = 20_000
    plan_only: bool = False
    price_per_hour: float | None = None
    as_json: bool = False


def run_areas(
    settings: Settings,
    explicit: frozenset[str],
    requests: Mapping[str, AreaRequest],
    options: AreaOptions,
    show_progress: ShowProgress,
) -> None:
    """Plan or map all requests with the model at `checkpoint_path`, and print what came of it.

    Raises:
        InstaGeoError: The model, the area or images cannot be found or do not fit together, or a disk refuses a file.
    """
    predictor = predictor_from_settings(settings, explicit)
    job = job_without_scenes(predictor, settings.map, explicit)
    zones = zones_of(next(iter(requests.values())))
    plans: list[AreaPlan] = []
    measured: dict[str, AreaMaps] = {}
    for name, request in requests.items():
        output = AreaOutput(options.folder / name, threads=options.threads, cache_mb=options.cache_mb)
        work = prepare_area(predictor, request, output, keep_list=not options.plan_only)
        plans.append(make_plan(work.area, work.search, work.scenes, predictor))
        _show_plan(plans[-1], options)
        if not options.plan_only:
            with show_progress(f"mapping {work.area.name}") as progress:
                maps = map_tiles(job, work, output, lambda _, done, total: progress(done, total))
            measured[name] = measure_maps(maps, predictor, zones)
    if options.as_json:
        record = [plan.to_json() for plan in plans] if options.plan_only else _results(measured)
        typer.echo(json.dumps(record, indent=1, ensure_ascii=False))
        return
    for name, result in measured.items():
        _print_areas(name, result)


def _show_plan(plan: AreaPlan, options: AreaOptions) -> None:
    lines = plan.lines(options.price_per_hour)
    if options.plan_only and not options.as_json:
        typer.echo("\n".join(lines))
    elif not options.plan_only:
        for line in lines:
            log.info("%s", line)


def _results(measured: Mapping[str, AreaMaps]) -> list[dict[str, object]]:
    return [
        {
            "name": name,
            "folder": str(result.folder),
            "maps": list(map(str, result.maps)),
            "files": {kind: str(path) for kind, path in result.files.items()},
            "failed": {tile.tile: tile.error for tile in result.tiles if tile.error},
        }
        for name, result in measured.items()
    ]


def _print_areas(name: str, result: AreaMaps) -> None:
    """Print a table of hectares, and where the files are."""
    table = Table("zone", "class", "hectares", "share of observed", "unobserved", title=name or None)
    for column in table.columns[2:]:
        column.justify = "right"
    for zone in result.areas.zones if result.areas else ():
        unobserved = f"{zone.unobserved_hectares / zone.zone_hectares:.1%}" if zone.zone_hectares else "–"
        for each in zone.classes:
            share = f"{each.share_of_observed:.1%}"
            table.add_row(escape(zone.zone), escape(each.name), f"{each.hectares:,.1f}", share, unobserved)
        if not zone.classes and zone.mean is not None:
            table.add_row(escape(zone.zone), f"mean {zone.mean:.4g}", f"{zone.observed_hectares:,.1f}", "", unobserved)
    Console().print(table)
    log.info("%s: %s", result.folder, ", ".join(path.name for path in result.files.values()))
