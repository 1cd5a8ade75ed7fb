"""Guarantees of a split, checked on its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.data.split_report.facts import Division, PairFacts
from instageo.data.splitting.blocks import find_blocks
from instageo.data.splitting.clusters import nearest_center
from instageo.data.splitting.groups import combine_columns
from instageo.data.splitting.periods import find_gap
from instageo.data.splitting.shuffled import find_strata
from instageo.geodesy.circles import to_xyz
from instageo.wording import counted

TOLERANCE_KM = 1e-6


@dataclass(frozen=True)
class Guarantee:
    """A statement about the parts of a split.

    Attributes:
        name: What it is about.
        found: What was found.
        expected: What was promised; empty for information.
        holds: Whether it holds; None for information.
    """

    name: str
    found: str
    expected: str = ""
    holds: bool | None = None


def check_guarantees(division: Division, facts: Sequence[PairFacts], proof: Mapping[str, Any]) -> list[Guarantee]:
    """Check what a split promises.

    Args:
        division: The parts.
        facts: What holds between them.
        proof: What was promised: `buffer_km`, `columns`, `block_km`, `centers`, `exact_shares` and `strata`,
            `gap_days`, `region_column`; what is missing was not promised.
    """
    result = [_check_distance(division, pair, float(proof.get("buffer_km") or 0)) for pair in facts]
    result += [_check_chips(pair) for pair in facts]
    result += [_check_items(pair) for pair in facts if pair.shared_items is not None]
    if columns := proof.get("columns"):
        values = combine_columns([division.table.texts(column) for column in columns], [""] * len(division.table))
        values = ["" if value == "chip " else value for value in values]
        result.append(_check_shared(f"column {', '.join(columns)}", division.shared(values), "value"))
    if block_km := proof.get("block_km"):
        blocks = find_blocks(division.footprints.circles.lonlat, block_km)
        result.append(_check_shared(f"blocks of {block_km:g} km", division.shared(_names(division, blocks)), "block"))
    if centers := proof.get("centers"):
        nearest = nearest_center(to_xyz(division.footprints.circles.lonlat), np.array(centers))
        result.append(_check_shared("clusters", division.shared(_names(division, nearest)), "cluster"))
    if shares := proof.get("exact_shares"):
        strata = find_strata(division.table, proof.get("strata") or ())
        result.append(_check_shares(division, shares, np.array(strata, dtype=object)))
    if "gap_days" in proof:
        result += _check_gaps(division, int(proof["gap_days"]))
    if column := proof.get("region_column"):
        result.append(_check_region(division, column))
    return result


def _names(division: Division, numbers: Any) -> list[str]:
    return [
        str(number) if is_located else ""
        for number, is_located in zip(numbers, division.footprints.located, strict=True)
    ]


def _check_distance(division: Division, pair: PairFacts, buffer_km: float) -> Guarantee:
    name = f"distance of {pair.parts[0]} and {pair.parts[1]}"
    expected = f"at least {buffer_km:g} km" if buffer_km else ""
    if pair.distance_km is None:
        return Guarantee(name, "places of the chips are unknown", expected, False if buffer_km else None)
    actual = f"{pair.distance_km:.3f} km ({', '.join(pair.nearest)})" if pair.nearest else ""
    if pair.overlapping and pair.nearest:
        first, second = pair.nearest
        number = counted(pair.overlapping, "chip")
        actual = f"{number} of {pair.parts[1]} may overlap {pair.parts[0]}, such as {second} with {first}"
    holds = None
    if buffer_km:
        inside = np.isin(division.part, [division.parts.index(part) for part in pair.parts])
        unknown = int((inside & ~division.footprints.located).sum())
        if unknown:
            actual += f"; {counted(unknown, 'chip', 'have')} no location"
        holds = pair.distance_km >= buffer_km - TOLERANCE_KM and not unknown
    return Guarantee(name, actual, expected, holds)


def _check_chips(pair: PairFacts) -> Guarantee:
    name, expected = f"chips in {pair.parts[0]} and {pair.parts[1]}", "none in both, none with the same content"
    shared = []
    if pair.shared_chips:
        shared.append(f"{counted(len(pair.shared_chips), 'chip', 'are')} in both, as {pair.shared_chips[0]}")
    if pair.same_content:
        first, second = pair.same_content[0]
        shared.append(f"{counted(len(pair.same_content), 'chip', 'have')} the same content, as {first} and {second}")
    return Guarantee(name, "; ".join(shared) or "none shared", expected, not shared)


def _check_items(pair: PairFacts) -> Guarantee:
    items = pair.shared_items or ()
    actual = f"{counted(len(items), 'image')}, as {items[0]}" if items else "none"
    return Guarantee(f"images in {pair.parts[0]} and {pair.parts[1]}", actual)


def _check_shared(name: str, shared: Mapping[str, tuple[int, ...]], noun: str) -> Guarantee:
    actual = f"{counted(len(shared), noun)}, as {next(iter(shared))}" if shared else "none in two parts"
    return Guarantee(name, actual, f"no {noun} in two parts", not shared)


def _check_gaps(division: Division, gap_days: int) -> list[Guarantee]:
    result = []
    for number in range(len(division.parts) - 1):
        first, second = division.parts[number : number + 2]
        gap = find_gap(division.table.days, division.part, number, number + 1)
        actual = "a part has no dates" if gap is None else counted(gap, "day")
        expected = f"at least {counted(max(gap_days, 1), 'day')}"
        result.append(
            Guarantee(f"gap of {first} and {second}", actual, expected, gap is not None and gap >= max(gap_days, 1))
        )
    return result


def _check_region(division: Division, column: str) -> Guarantee:
    test, values = division.parts.index("test"), division.table.texts(column)
    shared = {value: parts for value, parts in division.shared(values).items() if test in parts}
    return _check_shared(f"regions of test ({column})", shared, "region")


def _check_shares(division: Division, shares: Mapping[str, float], strata: NDArray[np.object_]) -> Guarantee:
    """Check that each part has its share of each stratum, less or more than one row."""
    worst, where = 0.0, ""
    for stratum in sorted(set(strata)):
        inside = strata == stratum
        for number, name in enumerate(division.parts):
            excess = abs(int((division.part[inside] == number).sum()) - shares.get(name, 0) * int(inside.sum()))
            if excess > worst:
                worst, where = excess, f" ({name}{f', stratum {stratum}' if stratum else ''})"
    name = "shares of the strata" if any(strata) else "shares"
    return Guarantee(name, f"off by {worst:.2f} rows at most{where}", "off by less than 1 row", worst < 1 + 1e-6)
