"""Run the requests of a command, and print what came of them."""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from instageo.area_maps.map_tiles import ShowTileProgress
from instageo.area_maps.period_run import PeriodMaps, PeriodRun
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.area_maps.results import AreaMaps
from instageo.errors import ConfigError, DataError
from instageo.model.inference.predictor import predictor_from_settings
from instageo.model.map_jobs.from_settings import job_without_scenes
from instageo.model.map_jobs.map_job import ShowProgress, WorkerSettings
from instageo.model.settings import Engine, Settings
from instageo.wording import counted

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
        command: The command, for the report.
    """

    folder: Path
    threads: int = 8
    cache_mb: int = 20_000
    plan_only: bool = False
    price_per_hour: float | None = None
    as_json: bool = False
    command: str = ""


def run_areas(
    settings: Settings,
    explicit: frozenset[str],
    requests: Mapping[str, AreaRequest],
    options: AreaOptions,
    show_progress: ShowProgress,
) -> None:
    """Plan or map all requests with the model at `checkpoint_path`, and print what came of it.

    Raises:
        InstaGeoError: The model, the area or images cannot be found or do not fit together, a tile could not be
            mapped, or a disk refuses a file.
    """
    _check_options(settings, options)
    local = settings.engine.kind is Engine.local
    predictor = predictor_from_settings(settings, explicit, None if local else "cpu")
    job = job_without_scenes(predictor, settings.map, explicit)
    job = job if local else replace(job, workers=WorkerSettings(settings, explicit))
    output = AreaOutput(options.folder, threads=options.threads, cache_mb=options.cache_mb)
    run = PeriodRun(predictor, job, requests, output, options.command)
    if options.plan_only:
        _print_plans(run, options)
        return

    @contextmanager
    def show(name: str) -> Iterator[ShowTileProgress]:
        with show_progress(f"mapping {name or requests[name].area}") as progress:
            yield lambda _, done, total: progress(done, total)

    made = run.make(show)
    if options.as_json:
        typer.echo(json.dumps(_results(made), indent=1, ensure_ascii=False))
    else:
        for name, maps in made.periods.items():
            if maps is not None:
                _print_areas(name, maps)
        for path in made.files.values():
            log.info("%s", path)
    _report_failures(made.made)


def _print_plans(run: PeriodRun, options: AreaOptions) -> None:
    plans = []
    for _, plan in run.plan():
        plans.append(plan.to_json())
        if not options.as_json:
            typer.echo("\n".join(plan.lines(options.price_per_hour)))
    if options.as_json:
        typer.echo(json.dumps(plans, indent=1))


def _check_options(settings: Settings, options: AreaOptions) -> None:
    """Raise a ConfigError unless the output is a folder, polygons are written next to each map, and prices exist."""
    if options.folder.suffix.lower() in (".tif", ".tiff") or options.folder.is_file():
        raise ConfigError(f"output={options.folder}: is a file; with --area, -o names a folder")
    vector = settings.map.vector
    if vector is not None and not vector.startswith("."):
        raise ConfigError(
            f"vector={vector}: is one file, but an area may have several maps; give the ending alone, "
            f"{Path(vector).suffix}"
        )
    price = options.price_per_hour
    if price is not None and not 0 <= price < math.inf:
        raise ConfigError(f"price_per_hour={price} does not work; expected 0 or more")
    AreaOutput(options.folder, threads=options.threads, cache_mb=options.cache_mb)


def _report_failures(results: Sequence[AreaMaps]) -> None:
    """Raise a DataError if a tile could not be mapped."""
    tiles = [tile for maps in results for tile in maps.tiles]
    failed = [tile for tile in tiles if tile.error is not None]
    if failed:
        raise DataError(f"{len(failed)} of {counted(len(tiles), 'tile')} could not be mapped: {failed[0].error}")


def _results(made: PeriodMaps) -> dict[str, object]:
    """Return what was made as JSON values."""
    return {
        "periods": [
            {
                "name": name,
                "folder": str(maps.folder),
                "maps": list(map(str, maps.maps)),
                "files": {kind: str(path) for kind, path in maps.files.items()},
                "failed": {tile.tile: tile.error for tile in maps.tiles if tile.error},
            }
            for name, maps in made.periods.items()
            if maps is not None
        ],
        "without an image": [name for name, maps in made.periods.items() if maps is None],
        "files": {kind: str(path) for kind, path in made.files.items()},
    }


def _print_areas(name: str, maps: AreaMaps) -> None:
    """Print a table of hectares, and where the files are."""
    table = Table("zone", "class", "hectares", "share of observed", "unobserved", title=name or None)
    for column in table.columns[2:]:
        column.justify = "right"
    for zone in maps.areas.zones if maps.areas else ():
        unobserved = f"{zone.unobserved_hectares / zone.zone_hectares:.1%}" if zone.zone_hectares else "–"
        for each in zone.classes:
            share = f"{each.share_of_observed:.1%}"
            table.add_row(escape(zone.zone), escape(each.name), f"{each.hectares:,.1f}", share, unobserved)
        if not zone.classes and zone.mean is not None:
            table.add_row(escape(zone.zone), f"mean {zone.mean:.4g}", f"{zone.observed_hectares:,.1f}", "", unobserved)
    Console().print(table)
    log.info("%s: %s", maps.folder, ", ".join(path.name for path in maps.files.values()))
