"""Resample layers onto the grid of the scene, so that a pixel depends on its neighbours alone and not on the strip."""

import numpy as np
from numpy.typing import NDArray

from instageo.raster.scenes.axis_map import Taps

MIN_WEIGHT = 0.5 - 1e-6
"""Share of a pixel's weight that valid pixels of the file need to have."""

Layers = NDArray[np.generic]
Mask = NDArray[np.bool_]


def resample_nearest(values: Layers, valid: Mask, rows: Taps, columns: Taps) -> tuple[Layers, Mask]:
    """Return values and validity, both (L, H, W), of the nearest pixels; arguments as of `resample_bilinear`."""
    row_index, column_index = rows.index[:, 0], columns.index[:, 0]
    inside = rows.inside[:, np.newaxis] & columns.inside
    pick = (slice(None), row_index[:, np.newaxis], column_index)
    return np.where(inside, values[pick], values.dtype.type(0)), valid[pick] & inside


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
    inside = rows.inside[:, np.newaxis] & columns.inside
    dtype = np.dtype(np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64)
    result, result_valid = np.empty(shape, values.dtype), np.empty(shape, bool)
    for layer, (own, own_valid) in enumerate(zip(values, valid, strict=True)):
        if own_valid.all():
            sums, enough = _weigh(own.astype(dtype), rows, columns), inside
        else:
            weights = _weigh(own_valid.astype(dtype), rows, columns)
            enough = inside & (weights >= MIN_WEIGHT)
            sums = _weigh(np.where(own_valid, own, own.dtype.type(0)).astype(dtype), rows, columns)
            np.divide(sums, weights, out=sums, where=enough)
        if not enough.all():
            sums[~enough] = 0
        result[layer] = _round(sums) if values.dtype.kind in "iu" else sums
        result_valid[layer] = enough
    return result, result_valid


def _weigh(layer: NDArray[np.floating], rows: Taps, columns: Taps) -> NDArray[np.floating]:
    """Return the weighted sums, shape (H, W), of a layer (h, w)."""
    row_weights, column_weights = rows.weights.astype(layer.dtype), columns.weights.astype(layer.dtype)
    tall = layer[rows.index[:, 0]] * row_weights[:, :1]
    for tap in range(1, rows.index.shape[1]):
        tall += layer[rows.index[:, tap]] * row_weights[:, tap : tap + 1]
    result = np.take(tall, columns.index[:, 0], axis=1)
    result *= column_weights[:, 0]
    for tap in range(1, columns.index.shape[1]):
        part = np.take(tall, columns.index[:, tap], axis=1)
        part *= column_weights[:, tap]
        result += part
    return result


def _round(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Round in place to whole numbers, halves away from zero, as GDAL does."""
    values += np.copysign(values.dtype.type(0.5), values)
    np.trunc(values, out=values)
    return values
