"""Shift of a label against its image, where the borders of its classes are seen in the image."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import Shift

REACH = 8
"""Largest shift that is tried, pixels, in rows and columns."""

MARGIN = REACH + 1
"""Pixels at the edge of a chip whose borders are not compared, since shifted ones would lie outside."""

MIN_SHIFT = 2.0
"""Shifts up to this cannot be distinguished from the width of borders, pixels."""

MIN_BORDER, MOST_BORDER = 60, 800
"""Pixels at borders of classes that are needed, and that are used."""

MIN_CONTRAST, MIN_GAIN = 5.0, 2.5
"""How far the best shift must stand out from all others, and from no shift, in robust deviations."""

FULL_CONTRAST = 4.0
"""Gradients above this multiple of their mean count no more, so that few bright objects do not decide."""


def label_shift(image: NDArray[np.float32], label: NDArray[np.generic], valid: NDArray[np.bool_]) -> Shift | None:
    """Return how far a label of classes is shifted, if its borders lie on those of the image only after a shift.

    The mean gradient of the image under the borders of the label is compared for all shifts of up to `REACH` pixels.
    Most labels whose borders are not seen in the image, or lie on them, give None.

    Args:
        image: Mean over dates and bands, (H, W).
        label: Classes, (H, W).
        valid: Where the label has a class and the image an observation, (H, W).
    """
    height, width = image.shape
    if min(height, width) < 4 * REACH:
        return None
    border = np.flatnonzero(_border(label, valid))
    if len(border) < MIN_BORDER:
        return None
    if len(border) > MOST_BORDER:
        border = border[np.linspace(0, len(border) - 1, MOST_BORDER).astype(np.intp)]
    rows, columns = np.divmod(border, width - 2 * MARGIN)
    windows = sliding_window_view(_gradient(image), (2 * REACH + 1, 2 * REACH + 1))
    scores = windows[rows + MARGIN - REACH, columns + MARGIN - REACH].mean(axis=0)
    offsets = np.arange(-REACH, REACH + 1)
    row, column = divmod(int(scores.argmax()), len(offsets))
    if np.hypot(offsets[row], offsets[column]) <= MIN_SHIFT:
        return None
    middle = float(np.median(scores))
    deviation = 1.4826 * float(np.median(np.abs(scores - middle))) + 1e-12
    contrast = (scores[row, column] - middle) / deviation
    gain = (scores[row, column] - scores[REACH, REACH]) / deviation
    shift = Shift(-float(offsets[row]), -float(offsets[column]), "the label")
    is_inside = max(abs(int(offsets[row])), abs(int(offsets[column]))) < REACH
    return shift if is_inside and contrast > MIN_CONTRAST and gain > MIN_GAIN else None


def _border(label: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the pixels at least `MARGIN` inside the chip lie next to another class."""
    around = slice(MARGIN - 1, 1 - MARGIN)
    label, valid = label[around, around], valid[around, around]
    beside, below = label[1:-1, 1:] != label[1:-1, :-1], label[1:, 1:-1] != label[:-1, 1:-1]
    if not valid.all():
        beside &= valid[1:-1, 1:] & valid[1:-1, :-1]
        below &= valid[1:, 1:-1] & valid[:-1, 1:-1]
    border: NDArray[np.bool_] = beside[:, 1:] | beside[:, :-1]
    border |= below[1:]
    border |= below[:-1]
    return border


def _gradient(image: NDArray[np.float32]) -> NDArray[np.float32]:
    gradient = np.zeros_like(image)
    across_rows = np.subtract(image[2:], image[:-2], out=gradient[1:-1])
    np.abs(across_rows, out=across_rows)
    across_columns = image[:, 2:] - image[:, :-2]
    gradient[:, 1:-1] += np.abs(across_columns, out=across_columns)
    np.minimum(gradient, FULL_CONTRAST * gradient.mean(), out=gradient)
    return gradient
