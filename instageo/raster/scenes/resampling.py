"""Resample layers onto the grid of the scene, so that a pixel depends on its neighbours alone and not on the strip.

`scene.BandSource` says which method a band gets; `axis_map` computes the weights.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from instageo.raster.scenes.axis_map import Taps

MIN_WEIGHT = 0.5 - 1e-6
"""Share of a pixel's weight that valid pixels of the file need to have."""

CHUNK_ROWS = 32
"""Rows that are computed at once, so that intermediate results stay in the processor's cache."""

Layers = NDArray[np.generic]
Mask = NDArray[np.bool_]


def resample_nearest(values: Layers, valid: Mask, rows: Taps, columns: Taps) -> tuple[Layers, Mask]:
    """Return values and validity, both (L, H, W), of the nearest pixels; arguments as of `resample_bilinear`."""
    inside = rows.inside[:, np.newaxis] & columns.inside
    result = values[:, rows.index[:, 0]].take(columns.index[:, 0], axis=2)
    result_valid = valid[:, rows.index[:, 0]].take(columns.index[:, 0], axis=2)
    if not inside.all():
        result[:, ~inside] = 0
        result_valid &= inside
    return result, result_valid


def resample_bilinear(values: Layers, valid: Mask, rows: Taps, columns: Taps) -> tuple[Layers, Mask]:
    """Return values in their own type, and validity, both of shape (L, H, W), of the scene's pixels.

    Invalid pixels have no weight. A pixel of the scene is valid if half of its weight is that of valid ones; other
    values are 0.

    Args:
        values: Shape (L, h, w), a part of the file.
        valid: Shape (L, h, w).
        rows: Taps of the H rows; positions count from the first row of the part.
        columns: Taps of the W columns, likewise.
    """
    shape = len(values), len(rows.index), len(columns.index)
    result, result_valid = np.empty(shape, values.dtype), np.empty(shape, bool)
    for layer, (own, own_valid) in enumerate(zip(values, valid, strict=True)):
        own_valid = None if own_valid.all() else own_valid
        for start in range(0, shape[1], CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            sums, enough = _resample_rows(own, own_valid, rows.part(part), columns)
            result[layer, part], result_valid[layer, part] = sums, enough
    return result, result_valid


def _resample_rows(
    layer: NDArray[np.generic], valid: Mask | None, rows: Taps, columns: Taps
) -> tuple[NDArray[np.floating], Mask]:
    """Return values and validity of rows of one layer (h, w); `valid` is None if all pixels are."""
    enough = rows.inside[:, np.newaxis] & columns.inside
    dtype: np.dtype[np.floating] = np.dtype(
        np.float32 if layer.dtype.itemsize <= 2 or layer.dtype == np.float32 else np.float64
    )
    if valid is None:
        sums = _weigh(layer, rows, columns, dtype)
    else:
        weights = _weigh(valid, rows, columns, dtype)
        enough &= weights >= MIN_WEIGHT
        sums = _weigh(np.where(valid, layer, layer.dtype.type(0)), rows, columns, dtype)
        np.divide(sums, weights, out=sums, where=enough)
    if not enough.all():
        sums[~enough] = 0
    if layer.dtype.kind in "iu":  # halves are rounded away from zero, as GDAL does
        sums += np.copysign(dtype.type(0.5), sums)
    return sums, enough


def _weigh(layer: NDArray[np.generic], rows: Taps, columns: Taps, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    """Return the weighted sums, shape (H, W), of a layer (h, w)."""
    row_weights, column_weights = rows.weights.astype(dtype), columns.weights.astype(dtype)
    tall = _sum(
        layer[index] * weights[:, np.newaxis] for index, weights in zip(rows.index.T, row_weights.T, strict=True)
    )
    return _sum(
        np.take(tall, index, axis=1, mode="clip") * weights
        for index, weights in zip(columns.index.T, column_weights.T, strict=True)
    )


def _sum(parts: Iterator[NDArray[np.floating]]) -> NDArray[np.floating]:
    """Return the sum of arrays, in the first of them."""
    total = next(parts)
    for part in parts:
        total += part
    return total
