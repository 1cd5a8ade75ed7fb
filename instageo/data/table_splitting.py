"""Split a table of chips: read, assign, drop, check, write."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from instageo.data.chip_tables.chip_table import read_chip_table
from instageo.data.chip_tables.class_counts import count_classes
from instageo.data.chip_tables.places import find_places
from instageo.data.split_report.facts import Division, PairFacts, find_pair_facts
from instageo.data.split_report.figure import draw_split
from instageo.data.split_report.guarantees import Guarantee, check_guarantees
from instageo.data.split_report.outputs import FIGURE, check_folder, copy_settings, write_parts
from instageo.data.split_report.split_record import FORMAT, SplitReport, make_report, write_record
from instageo.data.split_settings import FOLDED, SplitSettings
from instageo.data.splitting.assignment import Assignment
from instageo.data.splitting.buffer import drop_near
from instageo.data.splitting.folds import FOLDS, Fold
from instageo.data.splitting.strategies import SplitInput, assign
from instageo.errors import ConfigError, DataError
from instageo.locations import is_remote
from instageo.version import __version__
from instageo.wording import counted

NOT_RECORDED = ("tables", "output", "verify", "overwrite", "figure", "root_dir", "by", "seed", "over")
"""Options that do not affect how a table was split, or are recorded separately."""


LARGE_DEVIATION = 0.05
"""Difference of a share from what was asked for, above which it is noted."""


def split_table(settings: SplitSettings) -> list[SplitReport]:
    """Split a table into parts, and write a table for each part, `dropped.csv`, `split.json` and `split.png`.

    Args:
        settings: The table, and how to split it.

    Returns:
        One report; for `kfold` and `region` one for each fold, whose tables are in folders of their own.

    Raises:
        ConfigError: Options are missing or contradict each other.
        TableError: The table is unreadable, or lacks a column.
        DataError: The table cannot be split in this way.
        RunFolderError: Tables would be replaced that no split wrote.
        MissingExtraError: A package is not installed.
    """
    if settings.root_dir is not None and not is_remote(settings.root_dir) and not Path(settings.root_dir).is_dir():
        raise ConfigError(
            f"root_dir={settings.root_dir} is not a folder; expected the folder that paths in the table are relative to"
        )
    table, folder = read_chip_table(settings.tables[0], settings.root_dir), _output_folder(settings)
    given = SplitInput(
        table, find_places(table, settings.chip_km), count_classes(table, settings.balance),
        settings.named_shares, settings,
    )  # fmt: skip
    notes = (*table.notes, *given.footprints.notes)
    make_folds = FOLDS.get(settings.by or "", _single_fold)
    folds = make_folds(given)
    folds = [replace(fold, assignment=fold.assignment.with_notes(*notes)) for fold in folds]
    proved = [_prove(folder / fold.folder, given, fold.assignment) for fold in folds]  # all, before anything is written
    reports = [_write(given, part) for part in proved]
    if settings.by in FOLDED:
        _write_fold_record(folder, given, folds)
    return reports


def _single_fold(given: SplitInput) -> list[Fold]:
    return [Fold("", assign(given.settings.by or "", given))]


@dataclass(frozen=True)
class _Proved:
    """A division with its report, before it is written."""

    division: Division
    assignment: Assignment
    report: SplitReport


def _prove(folder: Path, given: SplitInput, assignment: Assignment) -> _Proved:
    """Drop what is too near, and find what holds between the parts.

    Raises:
        DataError: No row is left in a part.
        RunFolderError: Tables would be replaced that no split wrote.
    """
    settings = given.settings
    check_folder(
        folder, [f"{name}.csv" for name in assignment.parts], _local_tables(settings), overwrite=settings.overwrite
    )
    if settings.buffer_km:
        given.footprints.require("--buffer-km")
        assignment = drop_near(assignment, given.footprints, settings.buffer_km)
        proof = {key: value for key, value in assignment.proof.items() if key != "exact_shares"}
        assignment = replace(assignment, proof={**proof, "buffer_km": settings.buffer_km})
    division = Division(given.table, given.footprints, assignment.parts, assignment.part)
    _check_parts(division, assignment)
    facts = find_pair_facts(division)
    guarantees = check_guarantees(division, facts, assignment.proof)
    assignment = assignment.with_notes(*_remarks(division, facts, guarantees, given))
    how = {**_how(folder, given), "options": _options(settings, folder)}
    report = make_report(folder, division, assignment, given.classes, facts, guarantees, how)
    return _Proved(division, assignment, report)


def _write(given: SplitInput, proved: _Proved) -> SplitReport:
    """Write the tables, the record and the figure of a division."""
    settings, report, folder = given.settings, proved.report, proved.report.folder
    write_parts(folder, given.table, proved.assignment, keep_paths=settings.root_dir is not None)
    note = None if is_remote(settings.tables[0]) else copy_settings(Path(settings.tables[0]).parent, folder)
    write_record(folder, report.record)
    notes = [note] if note else []
    if settings.figure:
        try:
            draw_split(folder / FIGURE, proved.division, report.classes)
        except ModuleNotFoundError as error:
            notes.append(f"{FIGURE} was not drawn, since the package {error.name} is not installed")
    return replace(report, notes=(*report.notes, *notes))


def _check_parts(division: Division, assignment: Assignment) -> None:
    """Raise if a part has no rows.

    Raises:
        DataError: One has none.
    """
    for number, name in enumerate(division.parts):
        if not len(division.rows(number)):
            reasons = sorted(set(assignment.reasons.values()))
            why = f" after dropping rows ({'; '.join(reasons)})" if reasons else ""
            raise DataError(
                f"no row is left in {name}{why}, of {counted(len(division.table), 'row')} in the table; use other "
                "shares, a smaller buffer, or another strategy"
            )


def _remarks(
    division: Division, facts: Sequence[PairFacts], guarantees: Sequence[Guarantee], given: SplitInput
) -> list[str]:
    """Return what the user should know about the parts."""
    remarks = [f"{item.name}: {item.found}; expected {item.expected}" for item in guarantees if item.holds is False]
    overlaps = [f"{pair.overlapping} of {pair.parts[1]} with {pair.parts[0]}" for pair in facts if pair.overlapping]
    if overlaps:
        remarks.append(
            f"chips of different parts may overlap ({', '.join(overlaps)}), and scores on such chips are too good; use "
            "--by blocks or add --buffer-km"
        )
    total = max(int((division.part >= 0).sum()), 1)
    if given.settings.by not in FOLDED and not set(division.parts) - set(given.shares):
        actual = {name: len(division.rows(number)) / total for number, name in enumerate(division.parts)}
        if any(abs(share - given.shares[name]) > LARGE_DEVIATION for name, share in actual.items()):
            shares = ", ".join(
                f"{name} {share:.1%} instead of {given.shares[name]:.1%}" for name, share in actual.items()
            )
            remarks.append(f"shares differ from what was asked for: {shares}")
    return remarks


def _how(folder: Path, given: SplitInput) -> dict[str, Any]:
    """Return table and strategy, as `split.json` has them."""
    settings, source = given.settings, given.settings.tables[0]
    root = settings.root_dir
    name = source if is_remote(source) else os.path.relpath(source, folder)
    return {
        "table": name,
        "rows": len(given.table),
        "root_dir": "." if root is None else root if is_remote(root) else os.path.relpath(root, folder),
        "strategy": settings.by,
        **({"over": settings.over} if settings.by in FOLDED else {}),
        "seed": settings.seed,
        "asked": dict(given.shares),
    }


def _options(settings: SplitSettings, folder: Path) -> Mapping[str, Any]:
    values = {entry.name: getattr(settings, entry.name) for entry in fields(settings) if entry.name not in NOT_RECORDED}
    if settings.regions is not None and not is_remote(settings.regions):
        values["regions"] = os.path.relpath(settings.regions, folder)  # as the table, so that both are found later
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _write_fold_record(folder: Path, given: SplitInput, folds: list[Fold]) -> None:
    record = {
        "format": FORMAT, "version": __version__, **_how(folder, given), "options": _options(given.settings, folder),
        "folds": [fold.folder for fold in folds],
        "tested": sum(len(fold.assignment.rows("test")) for fold in folds),
    }  # fmt: skip
    write_record(folder, record)


def _output_folder(settings: SplitSettings) -> Path:
    source = settings.tables[0]
    if not settings.output and is_remote(source):
        raise ConfigError(f"{source} is not on this machine; say with --output where the parts are to be written")
    return Path(settings.output) if settings.output else Path(source).parent


def _local_tables(settings: SplitSettings) -> list[Path]:
    return [Path(path) for path in settings.tables if not is_remote(path)]
