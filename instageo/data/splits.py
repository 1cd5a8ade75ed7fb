"""Split chips so that training and evaluation share no ground."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_CANDIDATES = 300
"""Random assignments among which a split balanced by class is chosen."""


def split_by_blocks(
    chip_origins: Sequence[tuple[int, int]],
    fractions: Mapping[str, float],
    *,
    block_size: int,
    seed: int,
    class_counts: ArrayLike | None = None,
) -> dict[str, list[int]]:
    """Assign whole square blocks of a scene to splits, so that most neighbouring chips are in the same split.

    Args:
        chip_origins: (row, column) of each chip's first pixel.
        fractions: Fraction of the chips for each split; they are normalised to a sum of 1.
        block_size: Side of a block, pixels; a multiple of the chip size.
        seed: Seed of the random assignment.
        class_counts: Labelled pixels per chip and class, shape (chips, classes). If given, the best of
            `NUM_CANDIDATES` random assignments is returned: the one in which every split comes nearest to its fraction
            of every class.

    Returns:
        Indices into `chip_origins` by split, in ascending order. Blocks go, in random order, to the split that lacks
        most.

    Raises:
        ValueError: There are fewer blocks than splits, or a fraction is not above 0.
    """
    if min(fractions.values()) <= 0:
        raise ValueError(f"fractions {dict(fractions)} must be above 0")
    blocks: dict[tuple[int, int], list[int]] = {}
    for index, (row, column) in enumerate(chip_origins):
        blocks.setdefault((row // block_size, column // block_size), []).append(index)
    if len(blocks) < len(fractions):
        raise ValueError(f"{len(blocks)} blocks of {block_size} pixels cannot fill the splits {list(fractions)}")
    targets = {name: fraction / sum(fractions.values()) for name, fraction in fractions.items()}
    rng, groups = np.random.default_rng(seed), [blocks[key] for key in sorted(blocks)]
    if class_counts is None:
        return _assign_blocks(groups, targets, len(chip_origins), rng)
    counts = np.asarray(class_counts, dtype=float)
    candidates = [_assign_blocks(groups, targets, len(chip_origins), rng) for _ in range(NUM_CANDIDATES)]
    return min(candidates, key=lambda splits: _imbalance(splits, targets, counts))


def _assign_blocks(
    groups: Sequence[Sequence[int]], targets: Mapping[str, float], num_chips: int, rng: np.random.Generator
) -> dict[str, list[int]]:
    splits: dict[str, list[int]] = {name: [] for name in targets}
    for group in rng.permutation(len(groups)):
        neediest = max(splits, key=lambda name: 1 - len(splits[name]) / (targets[name] * num_chips))
        splits[neediest] += groups[group]
    return {name: sorted(indices) for name, indices in splits.items()}


def _imbalance(splits: Mapping[str, Sequence[int]], targets: Mapping[str, float], counts: NDArray[np.float64]) -> float:
    """Return the sum over splits and classes of the absolute log ratio between actual and target fraction."""
    totals = np.maximum(counts.sum(axis=0), 1)
    ratios = [counts[list(indices)].sum(axis=0) / totals / targets[name] for name, indices in splits.items()]
    return float(np.abs(np.log(np.maximum(ratios, 1e-2))).sum())
