"""Random splits of chips, also within strata."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_tables.chip_table import ChipTable
from instageo.data.splitting.groups import combine_columns
from instageo.data.splitting.shares import cut_at_shares, hash_keys, whole_counts

Indices = NDArray[np.intp]

QUANTILES = 10
"""Strata of a column of numbers."""

MOST_STRATA = 50
"""Distinct numbers beyond which a column is divided by quantiles."""


def split_shuffled(
    keys: Sequence[str], targets: Sequence[float], seed: int, *, strata: Sequence[str] | None = None,
    stable: bool = False,
) -> Indices:  # fmt: skip
    """Return a random part for each key, shape (N,); equal keys get the same part.

    Args:
        keys: What identifies a row.
        targets: Fractions of the parts.
        seed: Seed.
        strata: Stratum of each row; each is split by the shares. Of equal keys the first row decides.
        stable: Whether the part depends on the key alone, so that shares hold on average only.
    """
    names, first, inverse = np.unique(np.array(keys, dtype=object), return_index=True, return_inverse=True)
    numbers = hash_keys(names, seed)
    if stable:
        return cut_at_shares(numbers, targets)[inverse]
    texts = np.array(strata, dtype=object)[first] if strata is not None else np.full(len(names), "", dtype=object)
    parts, lack = np.zeros(len(names), np.intp), np.zeros(len(targets))
    order = np.argsort(numbers, kind="stable")
    for stratum in sorted(set(texts)):
        members = order[texts[order] == stratum]
        counts = whole_counts(len(members), targets, lack)
        lack += len(members) * np.asarray(targets) - counts
        parts[members] = np.repeat(np.arange(len(targets)), counts)
    return parts[inverse]


def find_strata(table: ChipTable, columns: Sequence[str]) -> list[str]:
    """Return the stratum of each row: its values in some columns; of many numbers, the tenth that they lie in."""
    if not columns:
        return [""] * len(table)
    return combine_columns([_to_strata(table.texts(column)) for column in columns], [""] * len(table))


def _to_strata(texts: Sequence[str]) -> list[str]:
    """Return the stratum of each value: the value itself, or the tenth that it lies in if there are many numbers."""
    try:
        numbers = np.array([float(text) for text in texts if text])
    except ValueError:
        return list(texts)
    if len(np.unique(numbers)) <= MOST_STRATA:
        return list(texts)
    edges = np.quantile(numbers, np.arange(1, QUANTILES) / QUANTILES)
    return [f"{np.searchsorted(edges, float(text), side='right'):02}" if text else "" for text in texts]
