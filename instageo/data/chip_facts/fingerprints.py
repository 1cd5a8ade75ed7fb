"""Fingerprints of a chip: of its exact pixels, of how it looks, and of small windows in it."""

from functools import lru_cache
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import THUMBNAIL, Anchors

HASH_ROWS, HASH_COLUMNS = 8, 9
"""Size of the image whose neighbouring columns a difference hash compares; 8 x 8 bits."""

WINDOW = 6
"""Side of the windows of anchors, pixels."""

MOST_ANCHORS = 256
"""Anchors kept of a chip: those with the smallest hashes, so that chips keep the same ones of shared ground."""

_MIX = np.uint64(0x9E3779B97F4A7C15)


def hash_pixels(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> bytes | None:
    """Return a hash of shape, type and valid values, of any shape; None if none is valid.

    XXH3 with 128 bits takes a fortieth of the time of SHA-256; different chips have the same by chance alone, once in
    10^26 tables of a million chips.
    """
    digest = xxhash.xxh3_128(f"{values.shape} {values.dtype.str}".encode())
    if not valid.all():
        if not valid.any():
            return None
        values = np.where(valid, values, values.dtype.type(0))
        digest.update(np.packbits(valid).tobytes())
    digest.update(np.ascontiguousarray(values).data)
    return digest.digest()


def shrink(image: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return the means of an image, (H, W), in a grid of cells; images smaller than the grid repeat pixels."""
    for axis, cells in ((0, rows), (1, columns)):
        size = image.shape[axis]
        if size < cells:
            image = np.repeat(image, -(-cells // size), axis=axis)
            size = image.shape[axis]
        starts, counts = _cells(size, cells)
        image = _cell_sums(image, starts, axis) / (counts[:, None] if axis == 0 else counts)
    return image


@lru_cache(maxsize=64)
def _cells(size: int, cells: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the first line and the number of lines of each cell along an axis."""
    starts = np.arange(cells) * size // cells
    return starts, np.diff(np.append(starts, size)).astype(np.float32)


def _cell_sums(image: NDArray[np.float32], starts: NDArray[np.intp], axis: int) -> NDArray[np.float32]:
    """Return the sums of an image (H, W) over the rows or columns from each start to the next one.

    Equal cells of up to eight rows are added row by row, in NumPy's own order, which takes a quarter of its time.
    """
    cells, lines = len(starts), image.shape[0] // len(starts)
    if axis == 1 or image.shape[0] % cells or not 2 <= lines <= 8:
        return np.add.reduceat(image, starts, axis=axis)
    rows = image.reshape(cells, lines, -1)
    total = rows[:, 1].copy()
    for line in range(2, lines):
        total += rows[:, line]
    return np.add(rows[:, 0], total, out=total)


def look_of(image: NDArray[np.float32]) -> tuple[int | None, NDArray[np.float16]]:
    """Return the difference hash and the thumbnail of an image (H, W) without gaps.

    Each of the 64 bits is 1 if a cell is brighter than its left neighbour. A flat image has no hash. Thumbnails have a
    mean of 0 and a standard deviation of 1.
    """
    thumbnail = shrink(image, THUMBNAIL, THUMBNAIL)
    small = shrink(thumbnail, HASH_ROWS, HASH_COLUMNS)
    deviation = float(thumbnail.std())
    if not np.isfinite(deviation) or deviation <= 1e-6 * max(abs(float(thumbnail.mean())), 1e-6):
        return None, np.zeros((THUMBNAIL, THUMBNAIL), np.float16)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), "big"), ((thumbnail - thumbnail.mean()) / deviation).astype(np.float16)


def find_anchors(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> Anchors:
    """Return the windows of a chip with the smallest hashes of their stored values.

    Which windows these are depends on their content alone, not on where they lie in the chip: another chip that has the
    same ground, pixel for pixel, has the same ones there. Windows that occur twice, as on flat ground, say nothing.

    Args:
        values: Shape (L, H, W), as stored.
        valid: Where a pixel is observed, (H, W).
    """
    height, width = values.shape[1:]
    if height < WINDOW or width < WINDOW:
        return _no_anchors()
    mixed = np.zeros((height, width), np.uint64)
    for layer in values:
        mixed = (mixed ^ _bits(layer)) * _MIX
        mixed ^= mixed >> np.uint64(29)
    for axis in (0, 1):
        size = mixed.shape[axis] - WINDOW + 1
        total = np.zeros_like(mixed, shape=(size, width) if axis == 0 else (height - WINDOW + 1, size))
        for offset in range(WINDOW):
            part = mixed[offset : offset + size] if axis == 0 else mixed[:, offset : offset + size]
            total = total * _MIX + part
        mixed = total ^ (total >> np.uint64(31))
    usable = _all_valid(valid)
    hashes, positions = mixed[usable], np.flatnonzero(usable)
    if len(hashes) > 4 * MOST_ANCHORS:
        limit = np.uint64(min(int(2**64 * 4 * MOST_ANCHORS / len(hashes)), 2**64 - 1))
        chosen = hashes < limit
        hashes, positions = hashes[chosen], positions[chosen]
    unique, first, counts = np.unique(hashes, return_index=True, return_counts=True)
    single = counts == 1
    starts = positions[first[single]][:MOST_ANCHORS]
    columns = width - WINDOW + 1
    return Anchors(
        unique[single][:MOST_ANCHORS], (starts // columns).astype(np.int32), (starts % columns).astype(np.int32)
    )


def _no_anchors() -> Anchors:
    return Anchors(np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.int32))


def _bits(layer: NDArray[Any]) -> NDArray[np.uint64]:
    """Return the stored bits of a layer as unsigned numbers."""
    size = layer.dtype.itemsize
    return np.ascontiguousarray(layer).view(f"u{size}").astype(np.uint64)


def _all_valid(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return at which windows all pixels are valid, by their first pixel."""
    height, width = valid.shape
    result = np.ones((height - WINDOW + 1, width - WINDOW + 1), bool)
    if valid.all():
        return result
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = valid.cumsum(0).cumsum(1)
    full = sums[WINDOW:, WINDOW:] - sums[:-WINDOW, WINDOW:] - sums[WINDOW:, :-WINDOW] + sums[:-WINDOW, :-WINDOW]
    return np.asarray(full == WINDOW * WINDOW)
