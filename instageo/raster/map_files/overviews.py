"""Overviews of maps: each level has half the rows and columns of the level below it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.generic]


def level_shapes(height: int, width: int, block: int = 512) -> list[tuple[int, int]]:
    """Return rows and columns of all levels, full resolution first; odd sizes are rounded up.

    The last level is the first that fits into one block.

    Args:
        height: Rows at full resolution.
        width: Columns at full resolution.
        block: Side of a block, pixels.

    Examples:
        >>> level_shapes(1025, 700)
        [(1025, 700), (513, 350), (257, 175)]
    """
    shapes = [(height, width)]
    while max(shapes[-1]) > block:
        shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
    return shapes


def halve_classes(classes: Values, no_data: float | None) -> Values:
    """Return the most frequent class of each 2 x 2 pixels; in ties the one that comes first in reading order.

    No-data loses against any class. The last row and column of odd sizes count twice.

    Args:
        classes: Shape (H, W) or (L, H, W), whole numbers.
        no_data: Value of pixels without a class; None if all have one.

    Returns:
        Shape (ceil(H / 2), ceil(W / 2)), or with L in front, in the type of `classes`.
    """
    halved = _empty_half(classes)
    for source, target in _layers(classes, halved):
        _halve_class_layer(source, _as_type(no_data, classes), target)
    return halved


def halve_values(values: Values, no_data: float | None) -> Values:
    """Return the mean of the valid ones of each 2 x 2 pixels, no-data where all are missing.

    Means of integers are rounded to the nearest, halves up. A mean that happens to equal the no-data value becomes its
    neighbour. The last row and column of odd sizes count twice.

    Args:
        values: Shape (H, W) or (L, H, W). NaN is never valid.
        no_data: Value of further pixels that are not valid; None without any.

    Returns:
        Shape (ceil(H / 2), ceil(W / 2)), or with L in front, in the type of `values`.
    """
    halve_layer = _halve_float_layer if values.dtype.kind == "f" else _halve_integer_layer
    halved = _empty_half(values)
    for source, target in _layers(values, halved):
        halve_layer(source, _as_type(no_data, values), target)
    return halved


def _empty_half(values: Values) -> Values:
    *layers, height, width = values.shape
    return np.empty((*layers, -(-height // 2), -(-width // 2)), values.dtype)


def _as_type(no_data: float | None, values: Values) -> np.generic | None:
    """Return a no-data value in the type of the values; comparing with another type takes several times longer."""
    return None if no_data is None else values.dtype.type(no_data)


def _layers(source: Values, target: Values) -> Iterator[tuple[Values, Values]]:
    """Yield the layers one by one, since temporary arrays of all at once would need a multiple of their memory."""
    if source.ndim == 2:
        yield source, target
    else:
        yield from zip(source, target, strict=True)


def _quarters(layer: Values) -> list[Values]:
    """Return the upper left, upper right, lower left and lower right pixels of all 2 x 2 pixels, each contiguous."""
    height, width = layer.shape
    if height % 2 or width % 2:
        layer = np.pad(layer, ((0, height % 2), (0, width % 2)), mode="edge")
    return [np.ascontiguousarray(layer[row::2, column::2]) for row in (0, 1) for column in (0, 1)]


def _halve_class_layer(layer: Values, no_data: np.generic | None, target: Values) -> None:
    first, second, third, fourth = quarters = _quarters(layer)
    undecided = (first != second) & (first != third) & (first != fourth)
    target[...] = first
    np.copyto(target, third, where=undecided & (third == fourth))
    np.copyto(target, second, where=undecided & ((second == third) | (second == fourth)))
    if no_data is None or not (layer == no_data).any():
        return
    empty = [quarter == no_data for quarter in quarters]
    mixed = np.logical_or.reduce(empty) & ~np.logical_and.reduce(empty)
    if mixed.any():
        target[mixed] = _most_frequent(np.stack([quarter[mixed] for quarter in quarters]), no_data)


def _most_frequent(classes: Values, no_data: np.generic) -> Values:
    """Return the most frequent class, the first in ties, of the columns of an array of shape (4, N)."""
    votes = np.zeros(classes.shape, np.uint8)
    for other in classes:
        votes += classes == other
    votes[classes == no_data] = 0
    chosen: Values = np.take_along_axis(classes, votes.argmax(axis=0)[None], axis=0)[0]
    return chosen


def _halve_integer_layer(layer: Values, no_data: np.generic | None, target: Values) -> None:
    quarters = _quarters(layer)
    wide = np.dtype(np.int32 if layer.dtype.itemsize <= 2 else np.int64)
    total = np.full(target.shape, 2, wide)
    for quarter in quarters:
        total += quarter
    target[...] = total // 4
    if no_data is None:
        return
    if not (layer == no_data).any():
        _keep_apart(target, no_data, known=np.True_)
        return
    valid = [quarter != no_data for quarter in quarters]
    count = np.zeros(target.shape, np.uint8)
    for known in valid:
        count += known
    mixed = (count > 0) & (count < 4)
    if mixed.any():
        total = np.zeros(int(mixed.sum()), wide)
        for quarter, known in zip(quarters, valid, strict=True):
            total += np.where(known[mixed], quarter[mixed], 0)
        num_valid = count[mixed].astype(wide)
        target[mixed] = (2 * total + num_valid) // (2 * num_valid)
    _keep_apart(target, no_data, known=count > 0)


def _halve_float_layer(layer: Values, no_data: np.generic | None, target: Values) -> None:
    total = np.zeros(target.shape, np.float64)
    count = np.zeros(target.shape, np.uint8)
    for quarter in _quarters(layer):
        valid = ~np.isnan(quarter)
        if no_data is not None:
            valid &= quarter != no_data
        np.add(total, quarter, out=total, where=valid)
        count += valid
    target[...] = np.nan if no_data is None else no_data
    np.divide(total, count, out=target, where=count > 0, casting="same_kind")
    if no_data is not None:
        _keep_apart(target, no_data, known=count > 0)


def _keep_apart(means: Values, no_data: np.generic, known: NDArray[np.bool_] | np.bool_) -> None:
    """Move means that equal the no-data value to the next value of their type."""
    equal = (means == no_data) & known
    if not equal.any():
        return
    if means.dtype.kind == "f":
        means[equal] = np.nextafter(no_data, 0 if no_data else 1)
    else:
        means[equal] = int(no_data) + (1 if int(no_data) < np.iinfo(means.dtype.name).max else -1)
