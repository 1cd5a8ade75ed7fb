"""Assign whole groups of rows to parts, so that sizes and classes come near their shares."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_CANDIDATES = 300
"""Random assignments among which the best balanced one is chosen."""

MOST_STEPS = 3_000_000
"""Groups times assignments; with more groups, fewer assignments are compared."""

LEAST_RATIO = 1e-2
"""Ratio of actual to target fraction below which a part counts as having none."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def assign_balanced(
    sizes: ArrayLike, targets: Sequence[float], seed: int, class_counts: ArrayLike | None = None
) -> Indices:
    """Return the part of each group, shape (G,): the best of up to `NUM_CANDIDATES` random assignments.

    The best one comes nearest to the shares of rows and, with the same weight, of all classes.

    Args:
        sizes: Rows of each group, shape (G,).
        targets: Fractions of the parts, whose sum is 1.
        seed: Seed of the assignments.
        class_counts: Labelled pixels, or rows, of each group and class, shape (G, K).
    """
    rows = np.asarray(sizes, dtype=np.float64)
    draws = int(np.clip(MOST_STEPS // max(len(rows), 1), 10, NUM_CANDIDATES))
    candidates = draw_assignments(rows, targets, np.random.default_rng(seed), draws)
    score = imbalance(candidates, targets, rows[:, None])
    if class_counts is not None:
        counts = np.asarray(class_counts, dtype=np.float64)
        score = score + imbalance(candidates, targets, counts) / counts.shape[1]
    best: Indices = candidates[int(score.argmin())]
    return best


def draw_assignments(sizes: Floats, targets: Sequence[float], rng: np.random.Generator, draws: int) -> Indices:
    """Return random assignments of groups, shape (D, G): groups go, in random order, to the part that lacks most.

    Args:
        sizes: Rows of each group, shape (G,).
        targets: Fractions of the parts, whose sum is 1.
        rng: Random state.
        draws: Number of assignments D.
    """
    orders = np.stack([rng.permutation(len(sizes)) for _ in range(draws)])
    target_rows = np.asarray(targets, dtype=np.float64) * sizes.sum()
    filled, every = np.zeros((draws, len(target_rows))), np.arange(draws)
    assigned = np.zeros((draws, len(sizes)), np.intp)
    for groups in orders.T:
        neediest = (1 - filled / target_rows).argmax(axis=1)
        filled[every, neediest] += sizes[groups]
        assigned[every, groups] = neediest
    return assigned


def imbalance(candidates: Indices, targets: Sequence[float], counts: Floats) -> Floats:
    """Return the sum over parts and columns of the absolute log ratio of actual to target fraction, shape (D,).

    Args:
        candidates: Assignments of groups to parts, shape (D, G).
        targets: Fractions of the parts.
        counts: Counts of each group, shape (G, K).
    """
    totals = np.maximum(counts.sum(axis=0), 1)
    score = np.zeros(len(candidates))
    for part, target in enumerate(targets):
        ratios = (candidates == part).astype(np.float64) @ counts / totals / target
        score += np.abs(np.log(np.maximum(ratios, LEAST_RATIO))).sum(axis=1)
    return score
