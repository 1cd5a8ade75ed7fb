"""Tables that a cleaning writes: findings, groups, and the table without dropped chips."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from instageo.data.chip_facts.label import add_counts, class_text
from instageo.data.chip_facts.rows import ChipRow, UncheckedTable
from instageo.data.cleaning.checks import CHECKS, TableFindings
from instageo.data.cleaning.finding import DROP, GROUP, WARN, MeasuredTable
from instageo.data.cleaning.groups import find_groups, locate
from instageo.files import atomic_path, write_text
from instageo.locations import hide_secrets, is_remote
from instageo.table import INPUT, LABEL, NONE, write_table

FINDINGS, COUNTS = "clean.csv", "clean.json"

FINDING_COLUMNS = ("row", "chip", "check", "value", "verdict")

GROUP_COLUMNS = ("group", "component", "component_row", "component_column")
"""Columns that the table of groups adds: chips of one group must stay together; chips of one component share ground,
and lie in it at this row and column of pixels."""


def write_findings(folder: Path, results: TableFindings) -> Path:
    """Write `clean.csv`, one row for each finding."""
    path = folder / FINDINGS
    rows = [
        dict(zip(FINDING_COLUMNS, (entry.finding.chip.row.number, entry.finding.chip.row.name, entry.check,
                                   entry.finding.value, entry.verdict), strict=True))
        for entry in results.findings
    ]  # fmt: skip
    if rows:
        write_table(path, rows)
    else:
        write_text(path, ",".join(FINDING_COLUMNS) + "\n")
    return path


def summarize(table: UncheckedTable, measured: MeasuredTable, results: TableFindings) -> dict[str, Any]:
    """Return what `clean.json` says: numbers of chips, findings and classes, and remarks."""
    counts = Counter((entry.check, entry.verdict) for entry in results.findings)
    checks = {
        name: {verdict: counts[name, verdict] for verdict in (DROP, WARN, GROUP) if counts[name, verdict]}
        for name in CHECKS
    }
    roots = Counter(find_groups([(pair.first, pair.second) for pair in results.together], len(table.rows)))
    return {
        "table": hide_secrets(table.location),
        "chips": len(table.rows),
        "chips_with_findings": len({e.finding.chip.row.number for e in results.findings if e.verdict != GROUP}),
        "chips_to_drop": len(results.dropped),
        "checks": checks,
        "classes": _classes(measured),
        "groups": sum(size > 1 for size in roots.values()),
        "chips_in_groups": sum(size for size in roots.values() if size > 1),
        "remarks": list(results.remarks),
    }


def _classes(measured: MeasuredTable) -> dict[str, dict[str, float]]:
    """Return for each class its share of the labelled pixels, and the number of chips that have it."""
    pixels, chips = add_counts([chip.label for chip in measured.chips if chip.label is not None])
    total = sum(pixels.values())
    ordered = sorted(pixels, key=lambda value: (isinstance(value, str), value))
    return {class_text(value): {"share": round(pixels[value] / total, 6), "chips": chips[value]} for value in ordered}


def write_counts(folder: Path, record: Mapping[str, Any]) -> Path:
    """Write `clean.json`."""
    path = folder / COUNTS
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return path


def group_columns(table: UncheckedTable, results: TableFindings) -> list[dict[str, Any]]:
    """Return the columns of the table of groups for each chip.

    Columns of the same name that come from elsewhere are kept, and these get `clean_` before their names.
    """
    groups = find_groups([(pair.first, pair.second) for pair in results.together], len(table.rows))
    origins = locate([*results.together, *results.apart], len(table.rows))
    is_ours = set(GROUP_COLUMNS) <= set(table.columns)
    names = [name if is_ours or name not in table.columns else f"clean_{name}" for name in GROUP_COLUMNS]
    return [
        dict(zip(names, (group + 1, component + 1, row, column), strict=True))
        for group, (component, row, column) in zip(groups, origins, strict=True)
    ]


def write_rows(
    path: Path, table: UncheckedTable, rows: Sequence[ChipRow], added: Sequence[Mapping[str, Any]] = (),
    inputs: Mapping[int, Path] | None = None,
) -> Path:  # fmt: skip
    """Write rows of a table with all their columns; relative paths start from the new table's folder.

    Args:
        path: Output file.
        table: The table they come from.
        rows: Those to write.
        added: Further columns of each of them.
        inputs: New input of rows, by their number.
    """
    columns = dict.fromkeys(table.columns)
    names = list(columns) + [name for name in (added[0] if added else {}) if name not in columns]
    records = []
    for index, row in enumerate(rows):
        record: dict[str, Any] = {name: _cell(row.record.get(name)) for name in table.columns}
        record[INPUT] = moved_path(record[INPUT], table.folder, path.parent)
        if inputs and row.number in inputs:
            record[INPUT] = _relative(inputs[row.number], path.parent)
        if table.labels_are_files and record.get(LABEL) and record[LABEL] != NONE:
            record[LABEL] = moved_path(record[LABEL], table.folder, path.parent)
        records.append(record | (dict(added[index]) if added else {}))
    if records:
        write_table(path, [{name: record.get(name, "") for name in names} for record in records])
    else:
        with atomic_path(path) as temporary:
            temporary.write_text(",".join(names) + "\n", encoding="utf-8")
    return path


def moved_path(name: str, folder: str, target: Path) -> str:
    """Return a path of a table for a table in another folder; absolute paths and URLs stay as they are."""
    if not name or is_remote(name) or PurePosixPath(name).is_absolute() or Path(name).is_absolute():
        return name
    if is_remote(folder):
        return f"{folder.rstrip('/')}/{name}"
    if Path(folder).absolute() == target.absolute():
        return name
    return _relative(Path(folder) / name, target)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _cell(value: object) -> object:
    if isinstance(value, list):
        return ";".join(map(str, value))
    return "" if value is None else value
