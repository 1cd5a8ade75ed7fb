"""Whole numbers of rows from shares, and random numbers of rows that do not depend on their order."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def hash_keys(keys: Iterable[str], seed: int) -> Floats:
    """Return a number from 0 to 1 (excluded) for each key, which depends on the key and the seed alone."""
    numbers = [int.from_bytes(sha256(f"{seed}:{key}".encode()).digest()[:7]) >> 3 for key in keys]
    return np.array(numbers, dtype=np.float64) / 2.0**53


def cut_at_shares(numbers: Floats, targets: Sequence[float]) -> Indices:
    """Return the part of each number from 0 to 1: the first part has the numbers below its share, and so on."""
    edges = np.cumsum(np.asarray(targets, dtype=np.float64))[:-1]
    return np.searchsorted(edges, numbers, side="right").astype(np.intp)


def whole_counts(total: int, targets: Sequence[float], lack: Sequence[float] | Floats | None = None) -> Indices:
    """Return whole numbers with the sum `total`, each less than 1 from its share.

    Args:
        total: Number of rows.
        targets: Fractions, whose sum is 1.
        lack: What each part lacks so far, in rows; parts that lack most are rounded up. By default the fraction that
            rounding down cuts off.
    """
    exact = total * np.asarray(targets, dtype=np.float64)
    counts = np.floor(exact + 1e-9).astype(np.intp)
    need = exact - counts if lack is None else np.asarray(lack, dtype=np.float64) + exact - counts
    for part in np.argsort(-need, kind="stable")[: total - int(counts.sum())]:
        counts[part] += 1
    return counts
