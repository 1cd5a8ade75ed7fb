"""A sample of pixels spread evenly over a table, for pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instageo.model.decoding import ChipFormat, read_chip
from instageo.table import Row

CHIPS, PIXELS = 32, 20_000
"""Chips at most, and pixels at most of each."""


def sampled_values(rows: Sequence[Row], form: ChipFormat) -> NDArray[np.float32]:
    """Valid pixels of every band, shape (C, N); without randomness.

    Raises:
        RasterError: A chip cannot be read.
    """
    parts = []
    for row in rows[:: -(-len(rows) // CHIPS)]:
        chip = read_chip(row.input, form)
        values = chip.image[:, chip.valid]
        parts.append(values[:, :: max(1, -(-values.shape[1] // PIXELS))])
    return np.concatenate(parts, axis=1)
