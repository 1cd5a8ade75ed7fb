"""`mode=check`: inspect every row of the tables, and do nothing else."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from rich.console import Console
from rich.table import Table

from instageo.errors import ConfigError, DataError
from instageo.model.context import Run
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.tables import inspect_table, repeated_chips, warn_of_shared_ground
from instageo.model.settings import Settings, require_settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.derived import class_names, describe_layout
from instageo.model.settings.resolve import resolve
from instageo.wording import counted

log = logging.getLogger(__name__)

TABLES = ("train_filepath", "valid_filepath", "test_filepath")

SHOWN = 3
"""Chips that a message names."""


def check_tables(run: Run) -> None:
    """Check all tables in the settings; print what they contain, and which chips two of them share.

    Raises:
        ConfigError: The settings name no table.
        DataError: Rows cannot be used, or lack a label that others have, and `dataloader.on_bad_row` is `error`.
    """
    require_settings(run.settings, "root_dir")
    named = [which for which in TABLES if getattr(run.settings, which)]
    if not named:
        raise ConfigError(f"mode=check needs a table; add {', '.join(TABLES[:-1])} or {TABLES[-1]}=… to the command")
    settings = update_settings(resolve(run.settings, run.explicit, normalized=False), {"dataloader.on_bad_row": "skip"})
    lenient = replace(run, settings=settings)
    reports = [(str(getattr(settings, which)), inspect_table(lenient, which, labelled=None)) for which in named]
    log.info(describe_layout(settings, reports[0][1].layers))
    for one, other in combinations(zip(named, (report for _, report in reports), strict=True), 2):
        warn_of_shared_ground(lenient, one, other)
    _print_reports(settings, reports)
    problems = [_describe_unlabelled(which, path, report) for which, (path, report) in zip(named, reports, strict=True)]
    bad = sum(len(report.dropped) for _, report in reports)
    if bad:
        rows = counted(bad, "row")
        problems.append(f"{rows} cannot be used; broken_rows_*.csv in {run.folder} lists the reasons")
    summary = "; ".join(problem for problem in problems if problem)
    if not summary:
        return
    if run.settings.dataloader.on_bad_row == "error":
        raise DataError(summary)
    log.warning("%s", summary)


def _describe_unlabelled(which: str, path: str, report: TableReport) -> str | None:
    """Return what to do about rows without a label, which training and scoring refuse; None if there are none.

    A table for inference needs no labels; one that labels some of its rows is taken for one that should label all.
    """
    unlabelled = [row.name for row in report.rows if row.label is None]
    if not unlabelled or (which == "test_filepath" and len(unlabelled) == len(report.rows)):
        return None
    rows = counted(len(unlabelled), "row", "have")
    shown = ", ".join(unlabelled[:SHOWN]) + (" …" if len(unlabelled) > SHOWN else "")
    return (
        f"{path}: {rows} no label ({shown}); training and scoring need one in each row, so label them or remove them; "
        "chip_inference takes them as they are"
    )


def _print_reports(settings: Settings, reports: Sequence[tuple[str, TableReport]]) -> None:
    table = Table("", *(name for name, _ in reports), title="tables")
    columns = [_table_lines(settings, report) for _, report in reports]
    for name in dict.fromkeys(name for column in columns for name in column):
        table.add_row(name, *(column.get(name, "–") for column in columns))
    Console().print(table)


def _table_lines(settings: Settings, report: TableReport) -> dict[str, str]:
    """Return what is printed about a table: the text of each line by its name."""
    sizes = Counter(f"{stats.height} x {stats.width}" for stats in report.row_stats)
    lines = {
        "chips that can be used": str(len(report.rows)),
        "left out": str(len(report.dropped)),
        "without label": str(sum(row.label is None for row in report.rows)),
        "repeated": str(len(repeated_chips(report.rows))),
        "layers": str(report.num_layers),
        "pixels": ", ".join(f"{size} ({count})" for size, count in sizes.most_common(3)),
        "dates known": str(sum(stats.temporal_coords is not None for stats in report.row_stats)),
        "location known": str(sum(stats.location_coords is not None for stats in report.row_stats)),
    }
    if report.mask_kinds:
        lines["chips with a mask"] = ", ".join(f"{count} ({kind})" for kind, count in report.mask_kinds.most_common())
    counted = [stats for stats in report.row_stats if stats.valid_pixels is not None]
    if counted:
        pixels = settings.dataloader.temporal_dim * sum(stats.height * stats.width for stats in counted)
        lines["valid pixels"] = f"{sum(stats.valid_pixels or 0 for stats in counted) / pixels:.1%}"
    if report.label_range is not None:
        low, high = report.label_range
        lines["labels"] = str(report.label_moments.count)
        lines |= {"lowest label": f"{low:.6g}", "highest label": f"{high:.6g}"}
    if report.class_counts:
        lines |= dict(zip(class_names(settings), map(str, report.class_counts), strict=True))
    return lines
