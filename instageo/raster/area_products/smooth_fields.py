"""Smooth quantities at the centres of all pixels of a window, from their values at few positions."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Field = Callable[[Floats, Floats], Floats]
"""Function of rows (N,) and columns (M,), 0 at the upper left corner of the first pixel, that returns (K, N, M)."""

DEGREE, NODES = 8, 12
"""Degree of the polynomials in each direction, and positions in each direction to which they are fitted."""

EXACT_SIDE = 32
"""Rows or columns up to which windows that no polynomial fits are computed pixel by pixel."""


def evaluate_field(field: Field, rows: range, columns: range, tolerance: float) -> Floats:
    """Return a field at the centres of the pixels of a window, shape (K, h, w).

    A polynomial is fitted to 12 x 12 positions. Where it misses them by more than the tolerance, or where the field is
    not finite, the window is halved again and again, and the last parts are computed exactly.

    Args:
        field: The quantities.
        rows: Rows of the window.
        columns: Columns of the window.
        tolerance: Largest error, in the unit of the field.
    """
    if len(rows) * len(columns) <= NODES**2:
        return field(np.array(rows) + 0.5, np.array(columns) + 0.5)
    nodes = chebyshev.chebpts1(NODES)
    fitted = _fit_matrix()
    at_nodes = field(_to_window(nodes, rows), _to_window(nodes, columns))
    if np.isfinite(at_nodes).all():
        coefficients = fitted @ at_nodes @ fitted.T
        at_nodes_again = _basis(nodes) @ coefficients @ _basis(nodes).T
        if abs(at_nodes_again - at_nodes).max() <= tolerance:
            return _centers(rows) @ coefficients @ _centers(columns).T
    if max(len(rows), len(columns)) <= EXACT_SIDE:
        return field(np.array(rows) + 0.5, np.array(columns) + 0.5)
    axis = 1 if len(rows) >= len(columns) else 2
    halves = [(part, columns) for part in _halve(rows)] if axis == 1 else [(rows, part) for part in _halve(columns)]
    return np.concatenate([evaluate_field(field, *half, tolerance) for half in halves], axis=axis)


@cache
def _fit_matrix() -> Floats:
    """Return the matrix that turns values at the nodes into coefficients, shape (DEGREE + 1, NODES)."""
    matrix: Floats = np.linalg.pinv(_basis(chebyshev.chebpts1(NODES))).astype(np.float64)
    return matrix


def _basis(points: Floats) -> Floats:
    basis: Floats = chebyshev.chebvander(points, DEGREE).astype(np.float64)
    return basis


def _to_window(points: Floats, window: range) -> Floats:
    """Return positions in -1 to 1 as rows or columns."""
    return window.start + (points + 1) / 2 * len(window)


def _centers(window: range) -> Floats:
    return _basis((2 * np.arange(len(window)) + 1) / len(window) - 1)


def _halve(window: range) -> tuple[range, range]:
    middle = len(window) // 2
    return window[:middle], window[middle:]
