"""Radar backscatter: which values are observations, their conversion to decibels, values of another unit."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.sensors import RADAR_FILL_DB, RADAR_RANGE_DB

Float = TypeVar("Float", np.float32, np.float64)

MAX_MEDIAN_POWER = 10.0
"""Linear power above which half of a chip cannot lie: usual means are 0.01 to 1, digital numbers are hundreds."""

NEGATIVE = -1.0
"""Values below it are no linear power, even where the instrument's noise was subtracted."""


def to_decibels(values: NDArray[Float], valid: NDArray[np.bool_] | bool, unit: str) -> None:
    """Convert backscatter to decibels in `RADAR_RANGE_DB`, in place; values that are not valid stay.

    Args:
        values: Of any shape, in `unit`.
        valid: Which values to convert; it broadcasts to `values`.
        unit: One of `RADAR_UNITS`.
    """
    lowest, highest = RADAR_RANGE_DB
    if unit == "linear":
        np.maximum(values, values.dtype.type(10 ** (lowest / 10)), out=values, where=valid)
        np.log10(values, out=values, where=valid)
        np.multiply(values, values.dtype.type(10), out=values, where=valid)
    np.maximum(values, values.dtype.type(lowest), out=values, where=valid)
    np.minimum(values, values.dtype.type(highest), out=values, where=valid)


def is_backscatter(values: NDArray[np.floating], unit: str) -> NDArray[np.bool_]:
    """Return where values are observations: power above 0, or decibels that are no fill value."""
    mask: NDArray[np.bool_] = values > (0 if unit == "linear" else RADAR_FILL_DB)
    return mask


def refuse_decibels(values: NDArray[np.floating], valid: NDArray[np.bool_], path: str) -> None:
    """Check that values given as linear power are no decibels: more than half of decibels are far below 0.

    Args:
        values: Shape (..., H, W), after factor and offset.
        valid: Which of them count, before negative power is excluded; it broadcasts to `values`.
        path: Of the chip, for the message.

    Raises:
        DataError: They look like decibels.
    """
    counted = values[np.broadcast_to(valid, values.shape) & (values > RADAR_FILL_DB)]
    if counted.size and np.count_nonzero(counted < NEGATIVE) > counted.size / 2:
        raise DataError(
            f"{path}: more than half of its values are below {NEGATIVE:g} (median {np.median(counted):.3g}), which "
            "looks like decibels, but they are read as linear power; set dataloader.radar_unit=db"
        )


def describe_other_unit(values: NDArray[np.floating], valid: NDArray[np.bool_], unit: str) -> tuple[str, ...]:
    """Return a sentence if the values of a whole chip look like another unit than they are read as.

    Args:
        values: Shape (C, T, H, W), decibels in `RADAR_RANGE_DB`.
        valid: Shape (T, H, W).
        unit: Unit that the file is read in, one of `RADAR_UNITS`.
    """
    counted = values[:, valid]
    if not counted.size:
        return ()
    if unit == "db" and counted.min() >= 0:
        return (
            "all values are 0 or more, which looks like linear power, but they are read as decibels; set "
            "dataloader.radar_unit=linear",
        )
    if unit == "linear" and np.median(counted) >= 10 * np.log10(MAX_MEDIAN_POWER):
        return (
            f"half of the values are above {MAX_MEDIAN_POWER:g}, but linear power is usually 0.01 to 1; digital "
            "numbers must be calibrated first, with dataloader.constant_multiplier if one factor does it",
        )
    return ()
