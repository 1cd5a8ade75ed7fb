"""Folds: cross-validation with every row in one test part, and regions that are left out one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from instageo.data.splitting.assignment import DROPPED, Assignment
from instageo.data.splitting.regions import find_regions, folder_names
from instageo.data.splitting.strategies import SplitInput, assign
from instageo.errors import ConfigError, DataError

MOST_REGIONS = 200


@dataclass(frozen=True)
class Fold:
    """One division of the table.

    Attributes:
        folder: Name of its folder.
        assignment: Parts of all rows.
    """

    folder: str
    assignment: Assignment


def make_folds(given: SplitInput) -> list[Fold]:
    """Divide a table into equal folds; each is the test part once, and the next one is then the validation part.

    With two folds the validation part is left out.

    Raises:
        ConfigError: An option does not work with folds.
        DataError: The table cannot be divided in this way.
    """
    settings = given.settings
    if settings.gap_days or settings.until:
        raise ConfigError("gap_days and until do not work with kfold, where train lies on both sides of test")
    count = settings.folds
    names = [f"fold_{number}" for number in range(1, count + 1)]
    base = assign(settings.over, replace(given, shares=dict.fromkeys(names, 1 / count)))
    proof = {key: value for key, value in base.proof.items() if key not in ("last_days", "gap_days")}
    folds = []
    for number, name in enumerate(names):
        parts = ("train", "val", "test") if count > 2 else ("train", "test")
        part = np.where(base.part == DROPPED, DROPPED, 0)
        if count > 2:
            part[base.part == (number + 1) % count] = 1
        part[base.part == number] = len(parts) - 1
        folds.append(Fold(name, Assignment(parts, part, base.reasons, proof=proof, notes=base.notes)))
    return folds


def leave_regions_out(given: SplitInput) -> list[Fold]:
    """Make a fold for each region: it is the test part, and the rest is divided into train and val.

    Chips in no region are never in a test part.

    Raises:
        ConfigError: It is not said what regions are.
        DataError: There are fewer than two regions, or very many.
    """
    settings = given.settings
    regions = _regions(given)
    names = sorted(set(regions) - {""})
    if not 2 <= len(names) <= MOST_REGIONS:
        raise DataError(f"{len(names)} different regions; expected 2 to {MOST_REGIONS}, each of which is left out once")
    values, folds = np.array(regions, dtype=object), []
    shares = _shares_of_rest(given.shares)
    for region, folder in folder_names(names).items():
        test = values == region
        rest = np.flatnonzero(~test)
        inner = assign(settings.over, given.take(rest, shares))
        parts = (*inner.parts, "test")
        part = np.full(len(values), len(parts) - 1, np.intp)
        part[rest] = inner.part
        reasons = {int(rest[row]): reason for row, reason in inner.reasons.items()}
        proof = {**_region_proof(given), "region": region}
        folds.append(Fold(folder, Assignment(parts, part, reasons, proof=proof, notes=inner.notes)))
    return folds


FOLDS = {"kfold": make_folds, "region": leave_regions_out}
"""Strategies that make several divisions of a table, by name."""


def _regions(given: SplitInput) -> list[str]:
    settings = given.settings
    if settings.regions is not None:
        given.footprints.require("--regions")
        name = settings.column[0] if settings.column else None
        regions = find_regions(settings.regions, given.footprints.circles.lonlat, name)
        return [
            region if is_located else "" for region, is_located in zip(regions, given.footprints.located, strict=True)
        ]
    if len(settings.column) != 1:
        raise ConfigError("--by region needs --column NAME, a column with regions, or --regions FILE, polygons")
    return given.table.texts(settings.column[0])


def _region_proof(given: SplitInput) -> Mapping[str, object]:
    return {"region_column": given.settings.column[0]} if given.settings.regions is None else {}


def _shares_of_rest(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of train and val in what is not test."""
    rest = {name: share for name, share in shares.items() if name != "test"}
    total = sum(rest.values())
    return {name: share / total for name, share in rest.items()}
