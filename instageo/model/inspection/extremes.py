"""Find values that would decide mean and standard deviation of a table by themselves."""

import logging
from collections.abc import Sequence

import numpy as np

from instageo.errors import DataError
from instageo.locations import hide_secrets
from instageo.model.inspection.statistics import Moments
from instageo.table import Row

log = logging.getLogger(__name__)

UNUSUAL_RATIO, ABSURD_RATIO = 1e4, 1e6
"""Ratio of a value to the usual ones of its band from which it is reported, and from which it is refused."""


def check_extremes(rows: Sequence[Row], moments: Sequence[Moments | None], band_names: Sequence[str]) -> None:
    """Report or refuse the value that is farthest from the usual ones of its band.

    Usual is the median over chips of the larger of |mean| and standard deviation: few chips have no influence on it.

    Args:
        rows: Chips of a table.
        moments: Moments of the bands of each; None or empty ones are left out.
        band_names: Names of the bands.

    Raises:
        DataError: The value is so large that mean and std would describe nothing else.
    """
    measured = [(row, each) for row, each in zip(rows, moments, strict=True) if each is not None and each.count]
    if not measured:
        return
    usual = np.median([np.maximum(np.abs(each.mean), each.std) for _, each in measured], axis=0)
    ends = np.array([[each.low, each.high] for _, each in measured])
    ratios = np.divide(np.abs(ends), usual, out=np.zeros_like(ends), where=usual > 0)
    chip, end, band = np.unravel_index(ratios.argmax(), ratios.shape)
    if ratios[chip, end, band] < UNUSUAL_RATIO:
        return
    sentence = (
        f"{hide_secrets(measured[chip][0].input)}: {band_names[band]} has the value {ends[chip, end, band]:.9g}, but "
        f"values of this table are usually about {usual[band]:.3g}, so this value alone would decide mean and std; if "
        "it means no-data, set dataloader.no_data_value or tag it in the file, else correct or remove the chip"
    )
    if ratios[chip, end, band] >= ABSURD_RATIO:
        raise DataError(sentence)
    log.warning("%s", sentence)
