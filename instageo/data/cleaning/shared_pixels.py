"""Find chips that show the same ground, from their pixels alone: for chips without coordinates.

Chips that are cut from one image with overlap have exactly equal pixels there. `find_anchors` has chosen small
windows of each chip by their content; equal windows of two chips propose by how much the chips are shifted against each
other, and every proposal is verified by comparing all pixels of the overlap.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import Anchors
from instageo.data.cleaning.finding import Shared
from instageo.raster.grid import Raster

MOST_CHIPS = 64
"""Chips that may have a window in common; windows that more have, such as those of fill values, say nothing."""

KEPT_RASTERS = 256
"""Chips whose pixels are kept while pairs are verified."""

Proposal = tuple[int, int, int, int]
"""Positions of two chips, and by how many rows and columns the second lies further down and right."""

Reader = Callable[[int], Raster | None]
"""Returns the layers of a chip by its position, None if it cannot be read."""


def propose_overlaps(anchors: Sequence[Anchors | None]) -> list[Proposal]:
    """Return which chips may overlap, and how: for each pair the shift that most of their equal windows agree on."""
    with_anchors = [(number, chip) for number, chip in enumerate(anchors) if chip is not None and len(chip.hashes)]
    if not with_anchors:
        return []
    hashes = np.concatenate([chip.hashes for _, chip in with_anchors])
    owners = np.concatenate([np.full(len(chip.hashes), number) for number, chip in with_anchors])
    rows = np.concatenate([chip.rows for _, chip in with_anchors]).astype(np.int64)
    columns = np.concatenate([chip.columns for _, chip in with_anchors]).astype(np.int64)
    order = np.lexsort((owners, hashes))
    hashes, owners, rows, columns = hashes[order], owners[order], rows[order], columns[order]
    ends = np.append(np.flatnonzero(np.diff(hashes)) + 1, len(hashes))
    lengths = np.diff(np.append(0, ends))
    votes: list[NDArray[np.int64]] = []
    for length in np.unique(lengths[(lengths > 1) & (lengths <= MOST_CHIPS)]):
        members = (ends[lengths == length] - length)[:, None] + np.arange(length)
        one, other = np.triu_indices(int(length), 1)
        first, second = members[:, one].ravel(), members[:, other].ravel()
        votes.append(
            np.stack(
                [owners[first], owners[second], rows[first] - rows[second], columns[first] - columns[second]], axis=1
            )
        )
    return _most_voted(np.concatenate(votes)) if votes else []


def verify_overlaps(proposals: Sequence[Proposal], read: Reader) -> list[Shared]:
    """Return the proposals of which all pixels that both chips observe are equal in the overlap."""
    read_once = lru_cache(maxsize=KEPT_RASTERS)(read)
    shared = []
    for first, second, rows, columns in proposals:
        one, other = read_once(first), read_once(second)
        if one is None or other is None or len(one.values) != len(other.values):
            continue
        share = _equal_share(one, other, rows, columns)
        if share > 0:
            shared.append(Shared(first, second, share, (rows, columns)))
    return shared


def _most_voted(votes: NDArray[np.int64]) -> list[Proposal]:
    """Return, for each pair of chips, the shift with most votes; of equal ones the smallest."""
    shifts, counts = np.unique(votes, axis=0, return_counts=True)
    best: dict[tuple[int, int], tuple[int, Proposal]] = {}
    for (first, second, rows, columns), count in zip(shifts.tolist(), counts.tolist(), strict=True):
        previous = best.get((first, second))
        if previous is None or count > previous[0]:
            best[first, second] = count, (first, second, rows, columns)
    return [proposal for _, (_, proposal) in sorted(best.items())]


def _equal_share(one: Raster, other: Raster, rows: int, columns: int) -> float:
    """Return the overlap as a share of the smaller chip; 0 if pixels differ there, or all layers are constant."""
    (height, width), (other_height, other_width) = one.grid.shape, other.grid.shape
    top, left = max(rows, 0), max(columns, 0)
    bottom, right = min(height, rows + other_height), min(width, columns + other_width)
    if bottom <= top or right <= left:
        return 0.0
    first = np.s_[:, top:bottom, left:right]
    second = np.s_[:, top - rows : bottom - rows, left - columns : right - columns]
    both = one.valid[first] & other.valid[second]
    values = one.values[first]
    if not both.any() or not np.array_equal(values[both], other.values[second][both]):
        return 0.0
    observed = [layer[mask] for layer, mask in zip(values, both, strict=True) if mask.any()]
    if all(layer.min() == layer.max() for layer in observed):
        return 0.0
    return (bottom - top) * (right - left) / min(height * width, other_height * other_width)
