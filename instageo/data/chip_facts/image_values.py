"""Range, means, saturation and stripes of the values of a chip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.generic]
Mask = NDArray[np.bool_]

SHIFTED_BLUE = 900
"""Values of BLUE above this are bright for the darkest pixels of a chip, reflectance x 10000."""

SATURATED, SATURATED_BANDS = 16_000, 3
"""Reflectance x 10000 that saturates a pixel, if so many of its bands reach it."""

MIN_EQUAL_LINES = 0.5
"""Share of pairs of lines that are equal from which on a chip has stripes."""


@dataclass(frozen=True)
class StepValues:
    """The values of one date.

    Attributes:
        values: Shape (B, H, W).
        valid: Where a pixel has all bands, (H, W).
        floats: The same values as float32, 0 where invalid.
        is_whole: Whether all pixels are valid.
    """

    values: Values
    valid: Mask
    floats: NDArray[np.float32]
    is_whole: bool


def range_of(step: StepValues) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, smallest and largest value of each band, shape (B,), of the valid pixels; NaN without any."""
    num_bands = len(step.values)
    if not step.valid.any():
        nothing = np.full(num_bands, np.nan)
        return nothing, nothing, nothing
    flat = step.values.reshape(num_bands, -1)
    if not step.is_whole:
        flat = flat[:, step.valid.reshape(-1)]
    means = step.floats.reshape(num_bands, -1).sum(axis=1, dtype=np.float64) / np.count_nonzero(step.valid)
    return means, flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)


def share_outside(step: StepValues, lows: NDArray[np.float64], highs: NDArray[np.float64],
                  limits: tuple[float, ...]) -> float:  # fmt: skip
    """Return the largest share, over the bands, of valid values outside two limits."""
    low, high = limits
    bands = [band for band in range(len(lows)) if lows[band] < low or highs[band] > high]
    counts = [np.count_nonzero(((step.values[band] < low) | (step.values[band] > high)) & step.valid) for band in bands]
    return max(counts, default=0) / max(np.count_nonzero(step.valid), 1)


def share_dark(band: Values, valid: Mask) -> float:
    """Return the share of the valid values of a band (H, W) that are at most `SHIFTED_BLUE`; 1 without any."""
    count = np.count_nonzero(valid)
    return np.count_nonzero((band <= SHIFTED_BLUE) & valid) / count if count else 1.0


def share_saturated(step: StepValues, highs: NDArray[np.float64], *, is_reflectance: bool) -> float:
    """Return the share of valid pixels at the maximum of their type, or bright in three bands."""
    dtype, count = step.values.dtype, np.count_nonzero(step.valid)
    limit = float(np.iinfo(dtype.name).max) if dtype.kind in "iu" else np.inf
    shares = [0.0]
    if np.nanmax(highs, initial=-np.inf) >= limit:
        shares.append(np.count_nonzero((step.values == limit).any(axis=0) & step.valid))
    if is_reflectance and np.count_nonzero(highs >= SATURATED) >= min(SATURATED_BANDS, len(highs)):
        bright = (step.values >= SATURATED).sum(axis=0) >= min(SATURATED_BANDS, len(highs))
        shares.append(np.count_nonzero(bright & step.valid))
    return max(shares) / max(count, 1)


def describe_stripes(step: StepValues) -> str:
    """Return what looks like stripes: lines of zeros at the border of the valid pixels, or lines that are repeated.

    Lines that are repeated in both directions are pixels of a coarser band, which is no defect.
    """
    rows, columns = np.flatnonzero(step.valid.any(axis=1)), np.flatnonzero(step.valid.any(axis=0))
    if len(rows) < 2 or len(columns) < 2:
        return ""
    inner = step.values[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    valid = step.valid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    zero_rows = sum(_is_zero(inner[:, line], valid[line]) for line in (0, -1))
    zero_columns = sum(_is_zero(inner[:, :, line], valid[:, line]) for line in (0, -1))
    if zero_rows or zero_columns:
        return "lines of zeros at the border"
    for band in inner:
        along_rows, along_columns = _equal_pairs(band), _equal_pairs(band.T)
        if (along_rows >= MIN_EQUAL_LINES) != (along_columns >= MIN_EQUAL_LINES):
            share, lines = max((along_rows, "rows"), (along_columns, "columns"))
            return f"{share:.0%} of the pairs of {lines} are equal"
    return ""


def _is_zero(line: Values, valid: Mask) -> bool:
    return bool(valid.any() and not (line[:, valid] != 0).any())


def _equal_pairs(band: Values) -> float:
    """Return the share of pairs of neighbouring lines, of either parity, that are equal and not flat."""
    shares = []
    for start in (0, 1):
        first, second = band[start:-1:2], band[start + 1 :: 2]
        if not len(first):
            continue
        quick = first[:, : min(16, band.shape[1])] == second[:, : min(16, band.shape[1])]
        candidates = np.flatnonzero(quick.all(axis=1))
        if len(candidates) < MIN_EQUAL_LINES * len(first):
            shares.append(0.0)
            continue
        equal = (first[candidates] == second[candidates]).all(axis=1)
        varied = first[candidates].max(axis=1) != first[candidates].min(axis=1)
        shares.append(np.count_nonzero(equal & varied) / len(first))
    return max(shares, default=0.0)
