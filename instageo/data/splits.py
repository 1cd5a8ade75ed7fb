"""Splitting chips so that training and scoring share no ground."""

from collections.abc import Mapping, Sequence

import numpy as np


def split_by_blocks(
    places: Sequence[tuple[int, int]], shares: Mapping[str, float], *, block: int, seed: int
) -> dict[str, list[int]]:
    """Assign whole square blocks of a scene to parts, so that neighbours mostly stay together.

    Args:
        places: (row, column) of each chip's first pixel.
        shares: Part name to the share of chips it should get; they are normalised to 1.
        block: Side of a block, pixels; a multiple of the chip size.
        seed: Fixes the draw.

    Returns:
        Positions in `places` by part, each in rising order. Blocks go, in random order, to the part that lacks most.

    Raises:
        ValueError: There are fewer blocks than parts.
    """
    blocks: dict[tuple[int, int], list[int]] = {}
    for position, (row, column) in enumerate(places):
        blocks.setdefault((row // block, column // block), []).append(position)
    if len(blocks) < len(shares):
        raise ValueError(f"{len(blocks)} blocks of {block} pixels cannot fill the parts {list(shares)}")
    total = sum(shares.values())
    wanted = {part: share / total * len(places) for part, share in shares.items()}
    parts: dict[str, list[int]] = {part: [] for part in shares}
    keys = sorted(blocks)
    for index in np.random.default_rng(seed).permutation(len(keys)):
        neediest = max(parts, key=lambda part: (wanted[part] - len(parts[part])) / wanted[part])
        parts[neediest] += blocks[keys[index]]
    return {part: sorted(positions) for part, positions in parts.items()}
