"""What holds between the parts of a table: distances, shared chips, values in two parts, days between them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_tables.chip_table import ChipTable
from instageo.data.chip_tables.content import same_content
from instageo.data.chip_tables.places import Places
from instageo.geodesy.distances import find_near, find_nearest_pair

ITEMS = "items"
"""Column with the images of a catalogue that a chip was made of."""


@dataclass(frozen=True)
class Division:
    """A table whose rows are in parts.

    Attributes:
        table: The table.
        footprints: Where its chips lie.
        parts: Names of the parts.
        part: Index of each row's part, -1 for rows in none, shape (N,).
    """

    table: ChipTable
    footprints: Places
    parts: tuple[str, ...]
    part: NDArray[np.intp]

    def rows(self, number: int) -> NDArray[np.intp]:
        """Return the rows of a part."""
        return np.flatnonzero(self.part == number)

    def shared(self, values: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return the values that occur in several parts, and those parts; rows without a value do not count."""
        if len(set(values)) == len(values):
            return {}
        owners: dict[str, set[int]] = defaultdict(set)
        for value, part in zip(values, self.part.tolist(), strict=True):
            if value and part >= 0:
                owners[value].add(part)
        return {value: tuple(sorted(parts)) for value, parts in owners.items() if len(parts) > 1}


@dataclass(frozen=True)
class PairFacts:
    """What holds between two parts.

    Attributes:
        parts: Their names.
        distance_km: Least distance of their footprints; None if no chip of one has a location.
        nearest: The two chips that are so near.
        overlapping: Chips of the second part whose circle overlaps one of the first.
        shared_chips: Files in both.
        same_content: Files of the second part with the same bytes as one of the first, under another path.
        shared_items: Images of a catalogue from which chips of both were made; None without such a column.
    """

    parts: tuple[str, str]
    distance_km: float | None
    nearest: tuple[str, str] | None
    overlapping: int
    shared_chips: tuple[str, ...]
    same_content: tuple[tuple[str, str], ...]
    shared_items: tuple[str, ...] | None


def find_pair_facts(division: Division) -> list[PairFacts]:
    """Return what holds between each two parts."""
    table = division.table
    chips, items = division.shared(table.locations), _shared_items(division)
    copies = same_content(table.locations, division.part)
    result = []
    for one, other in combinations(range(len(division.parts)), 2):
        distance, nearest, overlapping = _distance(division, one, other)
        pair = {one, other}
        result.append(
            PairFacts(
                (division.parts[one], division.parts[other]), distance, nearest, overlapping,
                tuple(sorted(name for name, parts in chips.items() if pair <= set(parts))),
                tuple(copies.get((one, other), ())),
                None if items is None else tuple(sorted(name for name, parts in items.items() if pair <= set(parts))),
            )
        )  # fmt: skip
    return result


def _distance(division: Division, one: int, other: int) -> tuple[float | None, tuple[str, str] | None, int]:
    located, circles, inputs = division.footprints.located, division.footprints.circles, division.table.inputs
    first, second = (rows[located[rows]] for rows in (division.rows(one), division.rows(other)))
    nearest = find_nearest_pair(circles.take(first), circles.take(second))
    if nearest is None:
        return None, None, 0
    names = inputs[first[nearest.first]], inputs[second[nearest.second]]
    overlaps = nearest.distance_km <= 0
    overlapping = int(find_near(circles.take(second), circles.take(first), 0).sum()) if overlaps else 0
    return nearest.distance_km, names, overlapping


def _shared_items(division: Division) -> Mapping[str, tuple[int, ...]] | None:
    if ITEMS not in division.table.columns:
        return None
    owners: dict[str, set[int]] = defaultdict(set)
    for text, part in zip(division.table.texts(ITEMS), division.part.tolist(), strict=True):
        for item in filter(None, text.split(";")):
            if part >= 0:
                owners[item].add(part)
    return {item: tuple(parts) for item, parts in owners.items() if len(parts) > 1}
