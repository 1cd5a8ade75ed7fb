"""Assign whole groups of rows: no group is in two parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instageo.data.splitting.balance import assign_balanced
from instageo.data.splitting.shares import cut_at_shares, hash_keys
from instageo.errors import DataError

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Groups:
    """Groups of rows.

    Attributes:
        names: Name of each group, shape (G,); their order does not depend on that of rows.
        of_row: Index of each row's group, shape (N,).
        noun: What a group is, for messages.
    """

    names: Sequence[str]
    of_row: Indices
    noun: str = "group"

    @classmethod
    def of(cls, values: ArrayLike, noun: str) -> "Groups":
        """Return the groups of rows with equal values, shape (N,)."""
        names, inverse = np.unique(np.asarray(values), return_inverse=True)
        return cls([str(name) for name in names], inverse.astype(np.intp), noun)


def split_groups(
    groups: Groups, targets: Sequence[float], seed: int, *, class_counts: ArrayLike | None = None, stable: bool = False
) -> Indices:
    """Return the part of each row, shape (N,); rows of a group get the same part.

    Args:
        groups: Groups of the rows.
        targets: Fractions of the parts.
        seed: Seed.
        class_counts: Labelled pixels, or rows, of each row and class, shape (N, K), to balance.
        stable: Whether the part depends on the group's name alone, so that shares hold on average only.

    Raises:
        DataError: There are fewer groups than parts.
    """
    if len(groups.names) < len(targets):
        few = f"1 {groups.noun}" if len(groups.names) == 1 else f"{len(groups.names)} {groups.noun}s"
        raise DataError(f"{few} cannot fill {len(targets)} parts; use smaller ones, fewer parts, or another strategy")
    if stable:
        return cut_at_shares(hash_keys(groups.names, seed), targets)[groups.of_row]
    sizes = np.bincount(groups.of_row, minlength=len(groups.names))
    counts = None
    if class_counts is not None:
        rows = np.asarray(class_counts, dtype=np.float64)
        counts = np.stack([np.bincount(groups.of_row, column, len(sizes)) for column in rows.T], axis=1)
    return assign_balanced(sizes, targets, seed, counts)[groups.of_row]


def combine_columns(columns: Sequence[Sequence[str]], keys: Sequence[str]) -> list[str]:
    """Return one value for each row from those of several columns.

    Args:
        columns: Values of each column, row by row.
        keys: What identifies a row; a row without any value is in a group of its own, named after its key.
    """
    rows = zip(*columns, strict=True)
    return ["|".join(row) if any(row) else f"chip {key}" for row, key in zip(rows, keys, strict=True)]
