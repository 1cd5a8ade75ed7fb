"""The strategies by name; they read the settings, and pass plain values to the other modules of this package."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_tables.chip_table import ChipTable
from instageo.data.chip_tables.class_counts import ClassCounts
from instageo.data.chip_tables.places import Places
from instageo.data.split_settings import SplitSettings
from instageo.data.splitting.assignment import DROPPED, Assignment
from instageo.data.splitting.blocks import USUAL_KM, choose_block_km, find_blocks
from instageo.data.splitting.clusters import find_centers, nearest_center
from instageo.data.splitting.components import find_components
from instageo.data.splitting.groups import Groups, combine_columns, split_groups
from instageo.data.splitting.periods import find_last_days, leave_gap, parse_last_days, split_periods
from instageo.data.splitting.published import split_by_column, split_by_lists
from instageo.data.splitting.shuffled import find_strata, split_shuffled
from instageo.errors import ConfigError
from instageo.geodesy.circles import to_xyz
from instageo.table import LABEL


@dataclass(frozen=True)
class SplitInput:
    """What a strategy receives.

    Attributes:
        table: The table.
        footprints: Where its chips lie.
        classes: Its classes; None if they are unknown or not to be balanced.
        shares: Fractions of the parts, by name.
        settings: Options of the strategies.
    """

    table: ChipTable
    footprints: Places
    classes: ClassCounts | None
    shares: Mapping[str, float]
    settings: SplitSettings

    def take(self, rows: NDArray[np.intp], shares: Mapping[str, float]) -> "SplitInput":
        """Return some rows of the input, to be split by other shares."""
        classes = self.classes
        footprints = replace(
            self.footprints, circles=self.footprints.circles.take(rows), located=self.footprints.located[rows]
        )
        if classes is not None:
            classes = replace(classes, counts=classes.counts[rows])
        return SplitInput(self.table.take(rows.tolist()), footprints, classes, shares, self.settings)


def _random(given: SplitInput) -> Assignment:
    part = split_shuffled(
        given.table.inputs, list(given.shares.values()), given.settings.seed, stable=given.settings.stable
    )
    return Assignment(tuple(given.shares), part, proof=_exact_shares(given))


def _stratified(given: SplitInput) -> Assignment:
    columns = list(given.settings.column)
    if not columns and given.classes is None and not given.table.labels_are_files and LABEL in given.table.columns:
        columns = [LABEL]
    if not columns and given.classes is None:
        raise ConfigError(
            f"the classes of the chips in {given.table.name} are unknown; pass --column NAME for a column of strata, "
            "or --balance read to count the classes in label files"
        )
    strata = find_strata(given.table, columns) if given.classes is None or columns else given.classes.majority()
    part = split_shuffled(given.table.inputs, list(given.shares.values()), given.settings.seed, strata=strata)
    proof = {"strata": columns, **_exact_shares(given)} if columns else {}
    return Assignment(tuple(given.shares), part, proof=proof)


def _exact_shares(given: SplitInput) -> dict[str, Any]:
    """Return what is promised about numbers of rows: nothing if rows are added later, or some chips occur twice."""
    is_exact = not given.settings.stable and len(set(given.table.inputs)) == len(given.table)
    return {"exact_shares": dict(given.shares)} if is_exact else {}


def _group(given: SplitInput) -> Assignment:
    columns = given.settings.column
    if not columns:
        raise ConfigError("--by group needs the columns of the groups, such as --column event")
    values = combine_columns([given.table.texts(column) for column in columns], given.table.inputs)
    result = _split_groups(given, Groups.of(np.array(values, dtype=object), "group"), np.arange(len(given.table)))
    return replace(result, proof={"columns": list(columns)})


def _blocks(given: SplitInput) -> Assignment:
    rows = _placed_rows(given)
    circles, block_km = given.footprints.circles.take(rows), given.settings.block_km
    if block_km is None and given.settings.stable:
        block_km = USUAL_KM  # whatever rows there are
    elif block_km is None:
        block_km = choose_block_km(circles, given.settings.buffer_km, len(given.shares))
    result = _split_groups(given, Groups.of(find_blocks(circles.lonlat, block_km), "block"), rows)
    return replace(result, proof={"block_km": block_km})


def _clusters(given: SplitInput) -> Assignment:
    rows = _placed_rows(given)
    lonlat = given.footprints.circles.lonlat[rows]
    centers = find_centers(lonlat, given.settings.clusters, given.settings.seed)
    result = _split_groups(given, Groups.of(nearest_center(to_xyz(lonlat), centers), "cluster"), rows)
    return replace(result, proof={"centers": centers.tolist()})


def _distance(given: SplitInput) -> Assignment:
    rows, distance = _placed_rows(given), given.settings.buffer_km
    components = find_components(given.footprints.circles.take(rows), distance, max(given.shares.values()))
    return _split_groups(given, Groups.of(components, "connected group"), rows)


def _time(given: SplitInput) -> Assignment:
    settings, days, parts = given.settings, given.table.days, tuple(given.shares)
    if not any(days):
        raise ConfigError(f"--by time needs dates, but the column dates of {given.table.name} is empty")
    last = (
        parse_last_days(settings.until, parts) if settings.until else find_last_days(days, list(given.shares.values()))
    )
    result = leave_gap(split_periods(days, parts, last), days, settings.gap_days)
    proof = {"last_days": [day.isoformat() for day in last], "gap_days": settings.gap_days}
    return replace(result, proof=proof)


def _lists(given: SplitInput) -> Assignment:
    settings, table = given.settings, given.table
    if settings.lists is not None:
        return split_by_lists(table.inputs, settings.lists)
    if len(settings.column) != 1:
        raise ConfigError("--by lists needs --lists DIR, a folder of lists, or --column NAME, a column with parts")
    return split_by_column(table.texts(settings.column[0]), settings.column[0])


STRATEGIES: dict[str, Callable[[SplitInput], Assignment]] = {
    "random": _random,
    "stratified": _stratified,
    "blocks": _blocks,
    "clusters": _clusters,
    "distance": _distance,
    "group": _group,
    "time": _time,
    "lists": _lists,
}
"""Strategies that assign the rows of a table to parts, by name; `folds` builds on them."""

STABLE = ("random", "blocks", "group", "lists")
"""Strategies in which rows that are added later can leave all others where they are."""


def assign(name: str, given: SplitInput) -> Assignment:
    """Assign the rows of a table to parts by a strategy.

    Raises:
        ConfigError: An option that the strategy needs is missing, or `stable` does not work with it.
        DataError: The table cannot be split in this way.
        TableError: A column is missing or has wrong values.
    """
    is_stable = name in STABLE or (name == "time" and given.settings.until)
    if given.settings.stable and not is_stable:
        raise ConfigError(
            f"stable does not work with {name}, whose parts depend on all rows; use one of {', '.join(STABLE)}, or "
            "time with --until"
        )
    return STRATEGIES[name](given)


def _placed_rows(given: SplitInput) -> NDArray[np.intp]:
    given.footprints.require(f"--by {given.settings.by}")
    return np.flatnonzero(given.footprints.located)


def _split_groups(given: SplitInput, groups: Groups, rows: NDArray[np.intp]) -> Assignment:
    """Assign groups of some rows; the other rows have no location and are dropped."""
    part = np.full(len(given.table), DROPPED, np.intp)
    counts: Any = None if given.classes is None else given.classes.counts[rows]
    part[rows] = split_groups(
        groups, list(given.shares.values()), given.settings.seed, class_counts=counts, stable=given.settings.stable
    )
    missing = np.flatnonzero(part == DROPPED).tolist()
    return Assignment(tuple(given.shares), part, dict.fromkeys(missing, "no location"))
