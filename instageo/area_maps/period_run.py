"""Run several requests about one area: map all periods, compare two, or follow the area over time."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from instageo.area_maps.area_plan import AreaPlan, SpeedTrial, make_plan
from instageo.area_maps.map_area import job_for_output, make_area_maps
from instageo.area_maps.map_tiles import ShowTileProgress, prepare_area
from instageo.area_maps.output_folder import held_output
from instageo.area_maps.preparation.image_search import NoImageError
from instageo.area_maps.products.area_changes import compare_areas
from instageo.area_maps.products.area_pages import write_pages
from instageo.area_maps.products.area_series import follow_area
from instageo.area_maps.products.measuring import zones_of
from instageo.area_maps.request import AreaOutput, AreaRequest
from instageo.area_maps.results import AreaMaps
from instageo.model.inference.predictor import Predictor
from instageo.model.map_jobs.map_job import MapJob
from instageo.model.map_jobs.trained_model import load_model
from instageo.raster.area_products.zones import Zone

log = logging.getLogger(__name__)

ShowPeriod = Callable[[str], AbstractContextManager[ShowTileProgress]]
"""Returns, for the name of a period, a block in which its progress is shown."""


@dataclass(frozen=True)
class PeriodMaps:
    """What was made of all periods.

    Attributes:
        periods: Maps by the name of their period; None where no image was found.
        files: What belongs to several periods together, by kind.
    """

    periods: Mapping[str, AreaMaps | None]
    files: Mapping[str, Path]

    @property
    def made(self) -> list[AreaMaps]:
        """Maps of the periods that have images."""
        return [maps for maps in self.periods.values() if maps is not None]


def load_period_run(model: str | Predictor, requests: Mapping[str, AreaRequest], output: AreaOutput) -> "PeriodRun":
    """Prepare a model for requests.

    Args:
        model: Checkpoint, run folder, registry name, or a loaded model.
        requests: Requests by the name of their period; the name of a single one is empty.
        output: Where and how maps are written.

    Raises:
        InstaGeoError: The model cannot be found.
    """
    predictor = load_model(model) if isinstance(model, str) else model
    return PeriodRun(predictor, job_for_output(predictor, output), requests, output)


@dataclass(frozen=True)
class PeriodRun:
    """Requests about one area, with the model that maps them.

    Attributes:
        predictor: The model.
        job: The networks and what is written, without scenes.
        requests: Requests by the name of their period, see `divide_periods`.
        output: Where and how maps are written; those of a named period in a folder of this name.
        command: The command that makes the same again, for the report.
    """

    predictor: Predictor
    job: MapJob
    requests: Mapping[str, AreaRequest]
    output: AreaOutput
    command: str = ""

    def plan(self) -> Iterator[tuple[str, AreaPlan]]:
        """Yield the plan of each period that has images; no pixel is read, and nothing is written."""
        for name, request in self.requests.items():
            with self._may_lack_images(name):
                work = prepare_area(self.predictor, request, self.output, keep_list=False)
                yield name, make_plan(work.area, work.search, work.scenes, self._speed)

    def make(self, show: ShowPeriod) -> PeriodMaps:
        """Map all periods; a period of a series without an image does not stop the others.

        Raises:
            InstaGeoError: See `make_area_maps`.
        """
        with held_output(self.output.folder):
            periods: dict[str, AreaMaps | None] = dict.fromkeys(self.requests)
            for name in self.requests:
                with self._may_lack_images(name), show(name) as progress:
                    periods[name] = self._map(name, progress)
            return PeriodMaps(periods, self._write_summary(periods))

    @cached_property
    def _zones(self) -> list[Zone]:
        return zones_of(next(iter(self.requests.values())))

    @cached_property
    def _speed(self) -> SpeedTrial:
        return SpeedTrial(self.predictor)

    @property
    def _is_series(self) -> bool:
        return "" not in self.requests and "before" not in self.requests

    @contextmanager
    def _may_lack_images(self, name: str) -> Iterator[None]:
        """Warn in place of an error if a period of a series has no image."""
        try:
            yield
        except NoImageError as error:
            if not self._is_series:
                raise
            log.warning("%s: %s", name, error)

    def _map(self, name: str, progress: ShowTileProgress) -> AreaMaps:
        def announce(plan: AreaPlan) -> None:
            for line in plan.lines():
                log.info("%s", line)

        return make_area_maps(
            self.job, self.requests[name], replace(self.output, folder=self.output.folder / name), self._zones,
            progress, command=self.command, announce=announce, speed=self._speed,
        )  # fmt: skip

    def _write_summary(self, periods: Mapping[str, AreaMaps | None]) -> dict[str, Path]:
        """Write what belongs to several periods together, with a report over them, and return the files by kind."""
        folder, before, after = self.output.folder, periods.get("before"), periods.get("after")
        if before is not None and after is not None:
            changes = compare_areas(before, after, folder, self._zones)
            maps = write_pages(after, self._zones, folder, changes=changes)
            return {**changes.files, "report": maps.files["report"]}
        if self._is_series:
            series = follow_area(periods, folder)
            last = [maps for maps in periods.values() if maps is not None][-1]
            maps = write_pages(last, self._zones, folder, series=series)
            return {**series.files, "report": maps.files["report"]}
        return {}
