"""Inspect the tables that settings name, and list the rows that cannot be used."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from instageo.locations import hide_secrets
from instageo.model.backbones.variants import find_variant
from instageo.model.chips.from_settings import chip_format_from_settings, label_format_from_settings
from instageo.model.context import Run
from instageo.model.inspection.fingerprint import summarize_table
from instageo.model.inspection.leakage import file_name, warn_if_shared
from instageo.model.inspection.report import TableReport, build_report, inspect_rows
from instageo.model.inspection.row import InspectionSpec
from instageo.model.inspection.row_stats import RowResult, StatsCache
from instageo.model.settings import Mode, Settings, get_setting
from instageo.model.settings.compose import settings_to_dict
from instageo.model.settings.derived import cache_dir, table_root
from instageo.table import Row, read_table, rows_from_records, write_table
from instageo.wording import counted

log = logging.getLogger(__name__)


Records = Sequence[Mapping[str, object]]
"""The rows of a table as the value of each column."""


def inspect_table(run: Run, which: str, *, labelled: bool | None = True, values: bool = False) -> TableReport:
    """Read the table named by a setting and inspect every row that has changed since the last time.

    Rows that cannot be used are listed with their reasons in `broken_rows_*.csv` in the run's folder.

    Args:
        run: Settings, and the folder of the list.
        which: `train_filepath`, `valid_filepath`, `test_filepath` or `distill.unlabelled_filepath`.
        labelled: Whether labels are needed; None to inspect them if the table has any.
        values: Whether to compute the moments of the chips' values.

    Raises:
        TableError: The table cannot be used.
        DataError: Rows of it cannot be used.
    """
    settings = run.settings
    path = str(get_setting(settings, which))
    name, root = hide_secrets(path), table_root(settings)
    rows, results = inspect_settings_table(settings, path, labelled=labelled, values=values)
    _list_broken(rows, results, run.folder / f"broken_rows_{which.rpartition('.')[2].removesuffix('_filepath')}.csv")
    repeated = repeated_chips(rows)
    if repeated:
        listed = hide_secrets(", ".join(repeated[:SHOWN_CHIPS])) + (" …" if len(repeated) > SHOWN_CHIPS else "")
        log.warning("%s: %s listed more than once: %s", name, counted(len(repeated), "chip", "are"), listed)
    report = build_report(name, rows, results, skip_bad=settings.dataloader.on_bad_row == "skip")
    run.info.tables[which], run.info.configuration = summarize_table(report, path, root), settings_to_dict(settings)
    uses_coordinates = find_variant(settings.model.model_name).coordinates
    if uses_coordinates and settings.mode in (Mode.train, Mode.eval, Mode.chip_inference):
        log.info("%s: %s", name, report.coordinate_summary())
    return report


def inspect_settings_table(
    settings: Settings, path: str, *, labelled: bool | None = True, values: bool = False, records: Records | None = None
) -> tuple[list[Row], list[RowResult]]:
    """Read a table and inspect every row that has changed since the last time; write nothing but the cache.

    Args:
        settings: Describe how chips and labels are read.
        path: The table.
        labelled: Whether labels are needed; None to inspect them if the table has any.
        values: Whether the moments of the chips' values are wanted.
        records: Content of a table that was not read from a file; `path` is its name in messages.

    Returns:
        Its rows, and what each holds or why it cannot be used.

    Raises:
        TableError: The table cannot be used.
    """
    name, root = hide_secrets(path), table_root(settings)
    labels = label_format_from_settings(settings)
    needs = {"need_label": bool(labelled), "label_is_file": not labels.image_level}
    rows = read_table(path, root, **needs) if records is None else rows_from_records(records, path, root, **needs)
    labelled = any(row.label for row in rows) if labelled is None else labelled
    spec = InspectionSpec(chip_format_from_settings(settings), labels if labelled else None, values)
    cache = StatsCache.for_table(cache_dir(settings) / "checks", path, os.path.abspath(root), spec.cache_key)
    return rows, inspect_rows(name, rows, spec, cache)


def warn_of_shared_ground(run: Run, first: tuple[str, TableReport], second: tuple[str, TableReport]) -> None:
    """Warn of files and ground that two tables share, and record how far apart they are in `run.json`.

    Args:
        run: The run; its settings name the tables.
        first: Setting and report of the table that was trained on, or of the one named before: `train_filepath`.
        second: Setting and report of the table whose scores the first would flatter.
    """
    (one, report), (other, other_report) = first, second
    paths = [str(get_setting(run.settings, which)) for which in (one, other)]
    separation = warn_if_shared((paths[0], report), (paths[1], other_report))
    run.info.tables.setdefault(other, {}).setdefault("separation", {})[one] = separation.to_dict()


SHOWN_CHIPS = 3
"""Chips that a warning names."""


def repeated_chips(rows: Sequence[Row]) -> list[str]:
    """Return the chips that several rows name, each once."""
    return [name for name, count in Counter(file_name(row.input) for row in rows).items() if count > 1]


def _list_broken(rows: Sequence[Row], results: Sequence[RowResult], path: Path) -> None:
    broken = [(row, reason) for row, reason in zip(rows, results, strict=True) if isinstance(reason, str)]
    if not broken:
        return
    records = [
        {"Input": row.name, "Label": row.label and hide_secrets(row.label), "reason": reason} for row, reason in broken
    ]
    write_table(path, records)
    log.warning("%s cannot be used; see the list in %s", counted(len(broken), "row"), path)
