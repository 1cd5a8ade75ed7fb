"""Split chips so that training and evaluation share no ground."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from instageo.data.splitting.balance import NUM_CANDIDATES, draw_assignments, imbalance


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
    targets = [fraction / sum(fractions.values()) for fraction in fractions.values()]
    groups = [blocks[key] for key in sorted(blocks)]
    sizes, rng = np.array([len(group) for group in groups], dtype=np.float64), np.random.default_rng(seed)
    candidates = draw_assignments(sizes, targets, rng, 1 if class_counts is None else NUM_CANDIDATES)
    best = 0
    if class_counts is not None:
        counts = np.asarray(class_counts, dtype=np.float64)
        by_group = np.stack([counts[group].sum(axis=0) for group in groups])
        best = int(imbalance(candidates, targets, by_group).argmin())
    chosen: dict[str, list[int]] = {name: [] for name in fractions}
    for group, part in zip(groups, candidates[best], strict=True):
        chosen[list(fractions)[part]] += group
    return {name: sorted(indices) for name, indices in chosen.items()}
