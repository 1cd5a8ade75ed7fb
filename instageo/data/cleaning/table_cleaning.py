"""Check a table of chips, and write what was found."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from instageo.data.chip_facts.layout import chip_layout, label_kind, read_description
from instageo.data.chip_facts.masked_settings import describe_masked, require_own_folder, write_description
from instageo.data.chip_facts.masking import MaskWriter
from instageo.data.chip_facts.measure import ROW_ERRORS, ChipMeasurer, measure_chips, read_chip
from instageo.data.chip_facts.quality_layers import quality_layers
from instageo.data.chip_facts.rows import UncheckedTable, read_chip_table
from instageo.data.clean_report.report import write_report
from instageo.data.clean_report.tables import (
    group_columns,
    summarize,
    write_counts,
    write_findings,
    write_rows,
)
from instageo.data.cleaning.checks import TableFindings, check_names, run_checks
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.data.cleaning.finding import MeasuredTable
from instageo.errors import ConfigError
from instageo.locations import hide_secrets, is_remote
from instageo.raster.grid import Raster
from instageo.raster.reading import open_raster, read_raster
from instageo.version import __version__
from instageo.wording import counted

MASKED = "masked"
"""Folder of chips with masks applied, next to the tables that are written."""


@dataclass(frozen=True)
class CleanReport:
    """What was found in a table, and which files were written.

    Attributes:
        chips: Number of chips.
        findings: Number of findings by check.
        with_findings: Number of chips with a finding other than a group.
        dropped: Number of chips that checks drop.
        groups: Number of groups of two or more chips.
        remarks: What could not be checked, and what concerns the whole table.
        files: Files that were written, by what they are: `findings`, `counts`,
            `report`, `groups`, `table`.
    """

    chips: int
    findings: dict[str, int]
    with_findings: int
    dropped: int
    groups: int
    remarks: tuple[str, ...]
    files: dict[str, Path] = field(default_factory=dict)

    def summary(self) -> str:
        """Return one line: chips, and findings by check."""
        counts = ", ".join(f"{count} {check}" for check, count in self.findings.items() if count)
        return (
            f"{counted(self.chips, 'chip')}: {self.with_findings} with findings ({counts or 'none'}), "
            f"{self.dropped} to drop, {counted(self.groups, 'group')} of chips that belong together"
        )


@dataclass(frozen=True)
class CheckedTable:
    """A table and its findings.

    Attributes:
        table: The table.
        measured: Facts of its chips.
        results: Findings of all checks.
        masked: New chip of each row, by its number, if masks were applied.
        description: What `settings.json` says of the chips, those with masks if they were applied; empty without it.
    """

    table: UncheckedTable
    measured: MeasuredTable
    results: TableFindings
    masked: Mapping[int, Path]
    description: Mapping[str, Any]


def clean_table(settings: CleanSettings) -> CleanReport:
    """Check every chip of a table; write findings, groups and a report, and on request the table without bad chips.

    Raises:
        TableError: The table cannot be read.
        ConfigError: Settings do not fit the table.
    """
    start = time.monotonic()
    checked = check_table(settings)
    reports, tables = output_folders(settings)
    record = summarize(checked.table, checked.measured, checked.results) | {
        "seconds": round(time.monotonic() - start, 2),
        "options": {name: value for name, value in asdict(settings).items() if name not in ("input", "output")},
        "program": f"InstaGeo-Model {__version__}",
    }
    files = {
        "findings": write_findings(reports, checked.results),
        "counts": write_counts(reports, record),
        "report": write_report(reports, checked.measured, checked.results, record),
    }
    return CleanReport(
        chips=len(checked.table.rows),
        findings={check: sum(counts.values()) for check, counts in record["checks"].items()},
        with_findings=record["chips_with_findings"],
        dropped=len(checked.results.dropped),
        groups=record["groups"],
        remarks=checked.results.remarks,
        files=files | _write_tables(settings, checked, tables),
    )


def check_table(settings: CleanSettings) -> CheckedTable:
    """Check every chip of a table; writes nothing but chips with masks, if these are to be applied.

    Raises:
        TableError: The table cannot be read.
        ConfigError: Settings do not fit the table.
    """
    check_names(settings)
    folder = output_folders(settings)[1]
    description = read_description(settings.input)
    layout = chip_layout(settings, description)
    table = read_chip_table(settings.input, settings.labels, label_kind(description))
    quality = quality_layers(settings, table.folder, table.columns)
    if settings.apply_mask and layout.layers is not None:
        require_own_folder(folder, table.folder, description, layout, len(layout.layers))
    writer = MaskWriter(folder / MASKED, table.folder, layout.no_data) if settings.apply_mask else None
    measurer = ChipMeasurer(settings, layout, table.labels_are_files, quality, writer)
    chips = list(measure_chips(measurer, table.rows, settings.threads))
    masked = {} if writer is None else writer.written
    if writer is not None and len(writer.layer_counts) == 1:
        [num_layers] = writer.layer_counts
        require_own_folder(folder, table.folder, description, layout, num_layers)
        description = describe_masked(description, layout, num_layers)

    def read_again(position: int) -> Raster | None:
        row = table.rows[position]
        try:
            if row.number in masked:
                return read_raster(masked[row.number])
            with open_raster(row.input) as file:
                return read_chip(file, layout, len(row.dates or ()))[0]
        except ROW_ERRORS:
            return None

    measured = MeasuredTable(chips, settings, layout, read_again)
    results = run_checks(measured)
    left = sum(not image.covered for _, image in measured.images) if settings.apply_mask else 0
    if left:
        remark = f"apply_mask: {counted(left, 'chip', 'have')} no quality file, so none of their pixels are masked"
        results = replace(results, remarks=(*results.remarks, remark))
    return CheckedTable(table, measured, results, masked, description)


def output_folders(settings: CleanSettings) -> tuple[Path, Path]:
    """Return the folder of the report and that of new tables.

    Raises:
        ConfigError: The table is remote, and no folder is given.
    """
    if settings.output is not None:
        return Path(settings.output), Path(settings.output)
    if is_remote(settings.input):
        raise ConfigError(f"{hide_secrets(settings.input)} is a URL; pass the folder to write to by output")
    path = Path(settings.input)
    return path.with_name(f"{path.stem}_clean"), path.parent


def _write_tables(settings: CleanSettings, checked: CheckedTable, folder: Path) -> dict[str, Path]:
    """Write the table of groups and, on request, that without dropped chips; return their paths."""
    table, results = checked.table, checked.results
    stem = PurePosixPath(hide_secrets(table.location)).stem
    groups = group_columns(table, results)
    files = {"groups": write_rows(folder / f"{stem}_groups.csv", table, table.rows, groups, checked.masked)}
    if settings.drop or settings.apply_mask:
        dropped = results.dropped if settings.drop else frozenset()
        retained = [index for index, row in enumerate(table.rows) if row.number not in dropped]
        rows, columns = [table.rows[index] for index in retained], [groups[index] for index in retained]
        files["table"] = write_rows(folder / f"{stem}_clean.csv", table, rows, columns, checked.masked)
    if checked.description and Path(table.folder).absolute() != folder.absolute():
        write_description(folder, checked.description)
    return files
