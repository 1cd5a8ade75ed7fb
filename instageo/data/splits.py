"""Splitting chips so that training and scoring share no ground."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 300
"""Random assignments that a split balanced by class chooses from."""


def split_by_blocks(
    places: Sequence[tuple[int, int]],
    shares: Mapping[str, float],
    *,
    block: int,
    seed: int,
    class_counts: ArrayLike | None = None,
) -> dict[str, list[int]]:
    """Assign whole square blocks of a scene to parts, so that neighbours mostly stay together.

    Args:
        places: (row, column) of each chip's first pixel.
        shares: Part name to the share of chips it should get; they are normalised to 1.
        block: Side of a block, pixels; a multiple of the chip size.
        seed: Fixes the draw.
        class_counts: Labelled pixels per chip and class, shape (chips, classes). With them, of 300 random assignments
            the one is taken in which every part holds, as nearly as can be, its share of every class.

    Returns:
        Positions in `places` by part, each in rising order. Blocks go, in random order, to the part that lacks most.

    Raises:
        ValueError: There are fewer blocks than parts, or a share is not above 0.
    """
    if min(shares.values()) <= 0:
        raise ValueError(f"shares {dict(shares)} must be above 0")
    blocks: dict[tuple[int, int], list[int]] = {}
    for position, (row, column) in enumerate(places):
        blocks.setdefault((row // block, column // block), []).append(position)
    if len(blocks) < len(shares):
        raise ValueError(f"{len(blocks)} blocks of {block} pixels cannot fill the parts {list(shares)}")
    wanted = {part: share / sum(shares.values()) for part, share in shares.items()}
    rng, groups = np.random.default_rng(seed), [blocks[key] for key in sorted(blocks)]
    if class_counts is None:
        return _assign(groups, wanted, len(places), rng)
    counts = np.asarray(class_counts, dtype=float)
    draws = [_assign(groups, wanted, len(places), rng) for _ in range(DRAWS)]
    return min(draws, key=lambda parts: _imbalance(parts, wanted, counts))


def _assign(
    groups: Sequence[Sequence[int]], wanted: Mapping[str, float], chips: int, rng: np.random.Generator
) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = {part: [] for part in wanted}
    for index in rng.permutation(len(groups)):
        neediest = max(parts, key=lambda part: 1 - len(parts[part]) / (wanted[part] * chips))
        parts[neediest] += groups[index]
    return {part: sorted(positions) for part, positions in parts.items()}


def _imbalance(parts: Mapping[str, Sequence[int]], wanted: Mapping[str, float], counts: NDArray[np.float64]) -> float:
    """Sum over parts and classes of how far, as a log ratio, a part is from its share of a class."""
    totals = np.maximum(counts.sum(axis=0), 1)
    held = [counts[list(positions)].sum(axis=0) / totals / wanted[part] for part, positions in parts.items()]
    return float(np.abs(np.log(np.maximum(held, 1e-2))).sum())
