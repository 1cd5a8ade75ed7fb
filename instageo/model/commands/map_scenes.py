"""`mode=map`: map scenes of any size, and write areas, pictures and polygons of the maps."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from instageo.errors import DataError
from instageo.model.context import Run
from instageo.model.map_jobs.from_settings import map_job_from_settings
from instageo.model.map_jobs.map_job import MapReport
from instageo.model.map_jobs.map_scenes import map_scenes as map_all
from instageo.model.settings import require_settings
from instageo.runtime.progress import step_progress
from instageo.wording import counted

log = logging.getLogger(__name__)


def map_scenes(run: Run) -> None:
    """Map the scenes that `map.scenes` or `map.band_files` name with the model at `checkpoint_path`."""
    require_settings(run.settings, "checkpoint_path")
    job = map_job_from_settings(run.settings, run.explicit, run.folder / "maps")
    with run.info.working_on(len(job.scenes)):
        reports = map_all(job, step_progress)
    report_maps(reports)


def report_maps(reports: Sequence[MapReport]) -> None:
    """Log what was made.

    Raises:
        DataError: A scene could not be mapped.
    """
    for report in reports:
        if report.error is None and not report.kept:
            log.info(
                "%s: %s, %.0f s; %s",
                report.output,
                counted(report.num_tiles, "tile"),
                report.seconds,
                ", ".join(path.name for path in report.files[1:]),
            )
    failed = [report for report in reports if report.error]
    if failed:
        raise DataError(
            f"{len(failed)} of {counted(len(reports), 'scene')} could not be mapped: {failed[0].error}"
            + (f" (and {len(failed) - 1} more, above)" if len(failed) > 1 else "")
        )


def print_areas(reports: Sequence[MapReport]) -> None:
    """Print a table of the areas of classes."""
    table = Table("scene", "class", "pixels", "hectares", "share")
    for column in table.columns[2:]:
        column.justify = "right"
    for report in reports:
        for area in report.areas.classes if report.areas else ():
            hectares = "–" if area.hectares is None else f"{area.hectares:,.1f}"
            table.add_row(escape(report.scene), escape(area.name), f"{area.pixels:,}", hectares, f"{area.share:.1%}")
    if table.row_count:
        Console().print(table)


def reports_json(reports: Sequence[MapReport]) -> str:
    """Return the reports as JSON."""

    def plain(value: object) -> str:
        if isinstance(value, Path):
            return str(value)
        raise TypeError(type(value).__name__)

    return json.dumps([asdict(report) for report in reports], default=plain, indent=1)
