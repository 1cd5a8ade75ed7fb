"""Inspect scenes block by block: windows of bounded size, and how their statistics add up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from instageo.model.inspection.row_stats import RowStats
from instageo.model.inspection.statistics import Moments, merge_moments
from instageo.raster.grid import RasterInfo, Window

BLOCK_BYTES, TILE_ROWS = 64 << 20, 256
"""Decoded size up to which a file is read at once, else that of its blocks; usual number of rows of a file's tiles."""


def row_windows(info: RasterInfo) -> list[Window | None]:
    """Return the windows in which a file is read: None for the whole, or blocks of its rows if it is large."""
    height, width = info.grid.shape
    row_bytes = width * info.num_layers * np.dtype(info.dtype).itemsize
    if height * row_bytes <= BLOCK_BYTES:
        return [None]
    rows = max(BLOCK_BYTES // row_bytes, 1)
    rows -= rows % TILE_ROWS if rows > TILE_ROWS else 0
    return [(slice(start, min(start + rows, height)), slice(0, width)) for start in range(0, height, rows)]


@dataclass(frozen=True)
class BlockStats:
    """Statistics of one block.

    Attributes:
        valid_pixels: Valid pixels over all dates.
        band_moments: Moments of each band; None if they were not requested.
        num_labels: Number of labels where there is a valid pixel.
        class_counts: Labelled pixels, or chips, per class.
        label_moments: Moments of continuous labels.
        notes: Sentences on its values.
    """

    valid_pixels: int
    band_moments: Moments | None = None
    num_labels: int = 0
    class_counts: tuple[int, ...] = ()
    label_moments: Moments | None = None
    notes: tuple[str, ...] = ()


def add_blocks(stats: RowStats, blocks: Sequence[BlockStats], *, image_level: bool) -> RowStats:
    """Return statistics of a row with those of its blocks.

    Args:
        stats: What is known without pixels.
        blocks: All blocks of the chip.
        image_level: Whether the label belongs to the whole chip, so that it counts once.
    """
    labelled = [block for block in blocks if block.num_labels][:1] if image_level else blocks
    return replace(
        stats,
        valid_pixels=sum(block.valid_pixels for block in blocks),
        band_moments=_merge(block.band_moments for block in blocks),
        class_counts=tuple(map(sum, zip(*(block.class_counts for block in labelled), strict=True))),
        label_moments=_merge(block.label_moments for block in labelled),
        notes=stats.notes + _shared_notes([block for block in blocks if block.valid_pixels]),
    )


def _shared_notes(blocks: Sequence[BlockStats]) -> tuple[str, ...]:
    """Return the sentences that hold for all blocks."""
    first = blocks[0].notes if blocks else ()
    return tuple(note for note in first if all(note in block.notes for block in blocks))


def _merge(moments: Iterable[Moments | None]) -> Moments | None:
    measured = [each for each in moments if each is not None]
    return reduce(merge_moments, measured) if measured else None
