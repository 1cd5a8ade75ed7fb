"""`mode=check`: look at every row of the tables, and nothing else."""

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
from instageo.model.inspection.tables import inspect_table, shared_chips
from instageo.model.settings import Settings, require_settings
from instageo.model.settings.compose import update_settings
from instageo.model.settings.resolve import class_names, describe_layout, resolve_layout

log = logging.getLogger(__name__)

TABLES = ("train_filepath", "valid_filepath", "test_filepath")


def check_tables(run: Run) -> None:
    """Check all tables that are named; tell what they hold, and which chips two of them share.

    Raises:
        ConfigError: No table is named.
        DataError: Rows cannot be used and `dataloader.on_bad_row` is `error`.
    """
    require_settings(run.settings, "root_dir")
    named = [which for which in TABLES if getattr(run.settings, which)]
    if not named:
        raise ConfigError(f"mode=check needs a table; add {', '.join(TABLES[:-1])} or {TABLES[-1]}=… to the command")
    settings = update_settings(
        resolve_layout(run.settings, run.explicit, statistics=False), {"dataloader.on_bad_row": "skip"}
    )
    lenient = replace(run, settings=settings)
    reports = [(str(getattr(settings, which)), inspect_table(lenient, which, labelled=None)) for which in named]
    log.info(describe_layout(settings, reports[0][1].layers))
    for (one, first), (other, second) in combinations(reports, 2):
        shared = shared_chips(first, second)
        if shared:
            log.warning("%d chips are in %s and in %s: %s", len(shared), one, other, ", ".join(shared[:3]))
    _show(settings, reports)
    bad = sum(len(report.dropped) for _, report in reports)
    if bad and run.settings.dataloader.on_bad_row == "error":
        raise DataError(f"{bad} rows cannot be used; broken_rows_*.csv in {run.folder} lists them with their reasons")


def _show(settings: Settings, reports: Sequence[tuple[str, TableReport]]) -> None:
    table = Table("", *(name for name, _ in reports), title="tables")
    facts = [_facts(settings, report) for _, report in reports]
    for line in dict.fromkeys(key for column in facts for key in column):
        table.add_row(line, *(column.get(line, "–") for column in facts))
    Console().print(table)


def _facts(settings: Settings, report: TableReport) -> dict[str, str]:
    """What to show of a table, by line."""
    sizes = Counter(f"{fact.height} x {fact.width}" for fact in report.facts)
    known = [fact for fact in report.facts if fact.valid_pixels is not None]
    lines = {
        "chips that can be used": str(len(report.rows)),
        "left out": str(len(report.dropped)),
        "layers": str(report.layers),
        "pixels": ", ".join(f"{size} ({count})" for size, count in sizes.most_common(3)),
        "time known": str(sum(fact.temporal_coords is not None for fact in report.facts)),
        "place known": str(sum(fact.location_coords is not None for fact in report.facts)),
    }
    if known:
        pixels = settings.dataloader.temporal_dim * sum(fact.height * fact.width for fact in known)
        lines["valid pixels"] = f"{sum(fact.valid_pixels or 0 for fact in known) / pixels:.1%}"
    if report.label_range is not None:
        low, high = report.label_range
        lines |= {"labels": str(report.target.count), "lowest label": f"{low:.6g}", "highest label": f"{high:.6g}"}
    if report.class_counts:
        lines |= dict(zip(class_names(settings), map(str, report.class_counts), strict=True))
    return lines
