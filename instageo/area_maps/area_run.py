"""Run the requests of a command: plan or map an area, compare two periods, or follow it over time."""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from instageo.area_maps.area_plan import AreaPlan, SpeedTrial, make_plan
from instageo.area_maps.map_area import make_area_maps
from instageo.area_maps.map_tiles import prepare_area
from instageo.area_maps.output_folder import held_output
from instageo.area_maps.preparation.image_search import NoImageError
from instageo.area_maps.products.area_changes import compare_areas
from instageo.area_maps.products.area_pages import write_pages
from instageo.area_maps.products.area_series import follow_area
from instageo.area_maps.products.measuring import zones_of
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.area_maps.results import AreaMaps
from instageo.errors import ConfigError, DataError
from instageo.model.inference.predictor import Predictor, predictor_from_settings
from instageo.model.map_jobs.from_settings import job_without_scenes
from instageo.model.map_jobs.map_job import MapJob, ShowProgress, WorkerSettings
from instageo.model.settings import Engine, Settings
from instageo.raster.area_products.zones import Zone
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
    run = _Run(predictor, job, requests, options, show_progress)
    if options.plan_only:
        plans = [plan for plan in map(run.plan, requests) if plan is not None]
        if options.as_json:
            typer.echo(json.dumps([plan.to_json() for plan in plans], indent=1))
        return
    with held_output(options.folder):
        results = run.map_all()
        files = run.write_summary(results)
    if options.as_json:
        typer.echo(json.dumps(_results(results, files), indent=1, ensure_ascii=False))
    else:
        for name, maps in results.items():
            if maps is not None:
                _print_areas(name, maps)
        for path in files.values():
            log.info("%s", path)
    _report_failures([maps for maps in results.values() if maps is not None])


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


@dataclass(frozen=True)
class _Run:
    """Requests of a command, with the model that maps them."""

    predictor: Predictor
    job: MapJob
    requests: Mapping[str, AreaRequest]
    options: AreaOptions
    show_progress: ShowProgress

    @cached_property
    def zones(self) -> list[Zone]:
        return zones_of(next(iter(self.requests.values())))

    @cached_property
    def speed(self) -> SpeedTrial:
        return SpeedTrial(self.predictor)

    def plan(self, name: str) -> AreaPlan | None:
        """Plan a request, and print the plan unless JSON is wanted; None if it is a period without an image."""
        with self._may_lack_images(name):
            work = prepare_area(self.predictor, self.requests[name], self._output(name), keep_list=False)
            plan = make_plan(work.area, work.search, work.scenes, self.speed)
            if not self.options.as_json:
                typer.echo("\n".join(plan.lines(self.options.price_per_hour)))
            return plan
        return None

    def map_all(self) -> dict[str, AreaMaps | None]:
        """Map all requests; a period of a series without an image does not stop the others."""
        results: dict[str, AreaMaps | None] = dict.fromkeys(self.requests)
        for name in self.requests:
            with self._may_lack_images(name):
                results[name] = self._map(name)
        return results

    @contextmanager
    def _may_lack_images(self, name: str) -> Iterator[None]:
        """Warn in place of an error if a period of a series has no image."""
        try:
            yield
        except NoImageError as error:
            if not self._is_series:
                raise
            log.warning("%s: %s", name, error)

    def write_summary(self, results: Mapping[str, AreaMaps | None]) -> dict[str, Path]:
        """Write what belongs to several periods together, with a report over them, and return the files by kind."""
        folder = self.options.folder
        if "before" in results and results["before"] is not None and results["after"] is not None:
            changes = compare_areas(results["before"], results["after"], folder, self.zones)
            maps = write_pages(results["after"], self.zones, folder, changes=changes)
            return {**changes.files, "report": maps.files["report"]}
        if self._is_series:
            series = follow_area(results, folder)
            last = [maps for maps in results.values() if maps is not None][-1]
            maps = write_pages(last, self.zones, folder, series=series)
            return {**series.files, "report": maps.files["report"]}
        return {}

    @property
    def _is_series(self) -> bool:
        return "" not in self.requests and "before" not in self.requests

    def _output(self, name: str) -> AreaOutput:
        options = self.options
        return AreaOutput(options.folder / name, threads=options.threads, cache_mb=options.cache_mb)

    def _map(self, name: str) -> AreaMaps:
        def announce(plan: AreaPlan) -> None:
            for line in plan.lines():
                log.info("%s", line)

        with self.show_progress(f"mapping {name or self.requests[name].area}") as progress:
            return make_area_maps(
                self.job, self.requests[name], self._output(name), self.zones,
                lambda _, done, total: progress(done, total), command=self.options.command, announce=announce,
                speed=self.speed,
            )  # fmt: skip


def _results(results: Mapping[str, AreaMaps | None], files: Mapping[str, Path]) -> dict[str, object]:
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
            for name, maps in results.items()
            if maps is not None
        ],
        "without an image": [name for name, maps in results.items() if maps is None],
        "files": {kind: str(path) for kind, path in files.items()},
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
