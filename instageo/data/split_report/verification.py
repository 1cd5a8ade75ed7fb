"""Verify the tables of a split, made by this program or by anybody."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from instageo.data.chip_tables.chip_table import ChipTable, read_chip_table
from instageo.data.chip_tables.places import find_places
from instageo.data.split_report.facts import Division, find_pair_facts
from instageo.data.split_report.guarantees import Guarantee, check_guarantees
from instageo.data.split_report.outputs import RECORD, digest_lines, row_lines
from instageo.data.split_report.region_check import check_regions
from instageo.data.split_report.split_record import read_record
from instageo.data.split_settings import SplitSettings
from instageo.errors import ConfigError, TableError
from instageo.locations import is_remote, join_location
from instageo.wording import counted

PARTS = ("train", "val", "test")
"""Parts in their order; other tables follow in the order that they are given in."""


def verify_split(settings: SplitSettings) -> list[Guarantee]:
    """Recompute the guarantees of a split from its tables.

    What was promised is read from `split.json` next to the tables, if there is one; options add to it.

    Args:
        settings: The tables of a split, or its folder; `buffer_km`, `column`, `regions` and `gap_days` are further
            demands.

    Raises:
        ConfigError: There are fewer than two tables.
        TableError: A table or `split.json` is unreadable.
    """
    tables = [Path(path) for path in settings.tables if not is_remote(path)]
    folder = tables[0] if tables else None
    if len(settings.tables) == 1 and folder is not None and folder.is_dir():
        return _verify_folder(folder, settings)
    if len(settings.tables) < 2:
        raise ConfigError(
            f"tables={', '.join(settings.tables)} does not work; expected the folder of a split, or at least two tables"
        )
    return _verify_tables(settings.tables, settings)


def _verify_folder(folder: Path, settings: SplitSettings) -> list[Guarantee]:
    record = read_record(folder)
    if record is None:
        raise TableError(f"{folder}: has no {RECORD}; name the tables, as train.csv val.csv test.csv")
    if "folds" not in record:
        return _verify_tables([str(folder / f"{name}.csv") for name in record["parts"]], settings)
    result: list[Guarantee] = []
    for name in record["folds"]:
        guarantees = _verify_folder(folder / name, settings)
        result += [replace(item, name=f"{name}: {item.name}") for item in guarantees]
    if record["strategy"] == "kfold":
        result.append(_check_folds([folder / name for name in record["folds"]], record["tested"]))
    return result


def _check_folds(folders: Sequence[Path], expected: int) -> Guarantee:
    """Check that every row is in one test part."""
    tests = [read_chip_table(str(folder / "test.csv")) for folder in folders]
    counts: dict[str, set[int]] = {}
    for number, table in enumerate(tests):
        for location in _resolve_all(table.locations):
            counts.setdefault(location, set()).add(number)
    twice, total = [name for name, folds in counts.items() if len(folds) > 1], sum(map(len, tests))
    actual = counted(total, "row") + (f"; {counted(len(twice), 'chip')} in two, as {twice[0]}" if twice else "")
    promised = f"{counted(expected, 'row')}, no chip in two"
    return Guarantee("test parts of all folds", actual, promised, not twice and total == expected)


def _verify_tables(paths: Sequence[str], settings: SplitSettings) -> list[Guarantee]:
    record = None if is_remote(paths[0]) else read_record(Path(paths[0]).parent)
    division, names = _combine(paths, settings, record)
    proof = _demands((record or {}).get("promised") or {}, settings)
    result = check_guarantees(division, find_pair_facts(division), proof)
    if regions := check_regions(division, Path(paths[0]).parent, settings, record or {}):
        result.append(regions)
    if record is not None:
        result += _check_rows(division, names, record)
    return result


def _demands(promised: Mapping[str, Any], settings: SplitSettings) -> dict[str, Any]:
    """Return what the split promised, and what options demand in addition."""
    result = dict(promised)
    for name, value in (("buffer_km", settings.buffer_km), ("gap_days", settings.gap_days)):
        if value:
            result[name] = max(value, result.get(name) or 0)
    if settings.column and not settings.regions:  # with polygons, it is their attribute
        result["columns"] = list(settings.column)
    return result


def _combine(
    paths: Sequence[str], settings: SplitSettings, record: Mapping[str, Any] | None
) -> tuple[Division, Sequence[ChipTable]]:
    """Return the tables as one whose rows are in parts, and the tables in the order of the parts."""
    names = _part_names(paths)
    order = sorted(range(len(paths)), key=lambda number: PARTS.index(names[number]) if names[number] in PARTS else 9)
    tables = [read_chip_table(paths[number], _root(paths[number], settings, record)) for number in order]
    columns = tuple(dict.fromkeys(column for table in tables for column in table.columns))
    records = [record for table in tables for record in table.records]
    numbers = [number for table in tables for number in table.numbers]
    locations = [location for table in tables for location in _resolve_all(table.locations)]
    name = " and ".join(table.name for table in tables)
    whole = ChipTable(name, ".", columns, records, numbers, locations, tables[0].label_kind)
    part = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    chip_km = settings.chip_km
    if chip_km is None and record is not None:
        chip_km = (record.get("options") or {}).get("chip_km")
    return Division(whole, find_places(whole, chip_km), tuple(names[number] for number in order), part), tables


def _resolve_all(locations: Sequence[str]) -> list[str]:
    """Return local paths with the true paths of their folders, so that equal files have equal paths."""
    folders = {location: location.rpartition("/")[0] for location in locations if not is_remote(location)}
    real = {folder: str(Path(folder or ".").resolve()) for folder in set(folders.values())}
    return [
        f"{real[folders[location]]}/{location.rpartition('/')[2]}" if location in folders else location
        for location in locations
    ]


def _root(path: str, settings: SplitSettings, record: Mapping[str, Any] | None) -> str | None:
    if settings.root_dir is not None:
        return settings.root_dir
    root = (record or {}).get("root_dir") or "."
    return None if root == "." else str(join_location(Path(path).parent, root))


def _part_names(paths: Sequence[str]) -> list[str]:
    stems = [path.rpartition("/")[2].rpartition(".")[0] for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def _check_rows(division: Division, tables: Sequence[ChipTable], record: Mapping[str, Any]) -> list[Guarantee]:
    """Check that the tables have the rows that the split gave them."""
    result = []
    for name, table in zip(division.parts, tables, strict=True):
        written = (record.get("parts") or {}).get(name)
        if written is None:
            continue
        same = digest_lines(row_lines(table)) == written["sha256"]
        actual = "as written" if same else f"{counted(len(table), 'row')}, not those that were written"
        result.append(Guarantee(f"rows of {name}", actual, f"the {counted(written['rows'], 'row')} of the split", same))
    return result
