"""Measure the usual values of a table's chips from a sample of them."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instageo.errors import InstaGeoError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.distribution_shift import ValueRange, chip_quantiles
from instageo.model.inspection.statistics import read_sampled_pixels
from instageo.runtime.parallel import map_threads
from instageo.table import Row

log = logging.getLogger(__name__)

MAX_CHIPS = 64
"""Most chips that are read."""


def measure_value_range(rows: Sequence[Row], chip_format: ChipFormat) -> ValueRange | None:
    """Return the range of the values of a table's chips, from at most 64 of them; None if no pixel can be read."""

    def quantiles(row: Row) -> NDArray[np.float64] | None:
        try:
            values = read_sampled_pixels(row.input, chip_format)
        except InstaGeoError as error:  # reported when the chip is read for training
            log.debug("%s", error)
            return None
        return chip_quantiles(values[:, None, None], np.ones((1, 1, values.shape[1]), bool)) if values.size else None

    measured = [each for each in map_threads(quantiles, rows[:: -(-len(rows) // MAX_CHIPS)]) if each is not None]
    return ValueRange.from_chips(measured) if measured else None
