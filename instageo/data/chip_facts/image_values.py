"""Range, means, saturation and stripes of the values of a chip."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_LINES, FIRST_PIXELS = 4, 8
"""Lines that a chip needs for stripes to be detected, and pixels of a line that are compared before the others."""

LARGEST = 1e12
"""Larger values are no measurements."""

Values = NDArray[Any]
Mask = NDArray[np.bool_]

SHIFTED_BLUE = 900
"""Values of BLUE above this are bright for the darkest pixels of a chip, reflectance x 10000."""

SATURATED, SATURATED_BANDS = 16_000, 3
"""Reflectance x 10000 that saturates a pixel, and the number of its bands that must reach it."""

MIN_EQUAL_LINES = 0.5
"""Share of pairs of lines that are equal from which on a chip has stripes."""


@dataclass(frozen=True)
class StepValues:
    """The values of one date.

    Attributes:
        values: Shape (B, H, W).
        valid: Where a pixel has all bands, (H, W).
        count: Number of valid pixels.
        means: Mean of each band, (B,), NaN without a valid pixel.
        mean_image: Mean over the bands, (H, W), 0 where invalid.
    """

    values: Values
    valid: Mask
    count: int
    means: NDArray[np.float64]
    mean_image: NDArray[np.float32]

    @property
    def is_whole(self) -> bool:
        """Whether all pixels are valid."""
        return self.count == self.valid.size


def step_values(values: Values, valid: Mask) -> StepValues:
    """Return the values (B, H, W) of one date with their means; converts band by band, which stays in the cache."""
    count = int(np.count_nonzero(valid))
    total, band, sums = np.zeros(valid.shape, np.float32), np.empty(valid.shape, np.float32), []
    for layer in values:
        to_float32(layer, band)
        if count < valid.size:
            band[~valid] = 0
        sums.append(float(band.sum()))
        total += band
    means = np.array(sums) / count if count else np.full(len(values), np.nan)
    total /= np.float32(len(values))
    return StepValues(values, valid, count, means, total)


def to_float32(values: Values, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return values as float32; those beyond `LARGEST` become that, so that sums and squares stay finite."""
    if out is None:
        out = np.empty(values.shape, np.float32)
    if values.dtype.kind == "f":
        values = np.clip(values, -LARGEST, LARGEST)
    np.copyto(out, values, casting="unsafe")
    return out


def ends_of(step: StepValues) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest valid value of each band, (B,); NaN without any."""
    num_bands = len(step.values)
    if not step.count:
        return np.full(num_bands, np.nan), np.full(num_bands, np.nan)
    flat = step.values.reshape(num_bands, -1)
    if not step.is_whole:
        flat = flat[:, step.valid.reshape(-1)]
    return flat.min(axis=1).astype(np.float64), flat.max(axis=1).astype(np.float64)


def share_outside(step: StepValues, lows: NDArray[np.float64], highs: NDArray[np.float64],
                  limits: tuple[float, ...]) -> float:  # fmt: skip
    """Return the largest share, over the bands, of valid values outside two limits."""
    low, high = limits
    bands = [band for band in range(len(lows)) if lows[band] < low or highs[band] > high]
    counts = [np.count_nonzero(((step.values[band] < low) | (step.values[band] > high)) & step.valid) for band in bands]
    return max(counts, default=0) / max(step.count, 1)


def share_dark(band: Values, valid: Mask) -> float:
    """Return the share of the valid values of a band (H, W) that are at most `SHIFTED_BLUE`; 1 without any."""
    count = np.count_nonzero(valid)
    return np.count_nonzero((band <= SHIFTED_BLUE) & valid) / count if count else 1.0


def share_saturated(step: StepValues, highs: NDArray[np.float64], *, is_reflectance: bool) -> float:
    """Return the share of valid pixels at the maximum of their type, or bright in three bands."""
    dtype = step.values.dtype
    limit = float(np.iinfo(dtype.name).max) if dtype.kind in "iu" else np.inf
    shares = [0.0]
    if (highs >= limit).any():
        shares.append(int(np.count_nonzero((step.values == limit).any(axis=0) & step.valid)))
    if is_reflectance and np.count_nonzero(highs >= SATURATED) >= min(SATURATED_BANDS, len(highs)):
        bright = (step.values >= SATURATED).sum(axis=0) >= min(SATURATED_BANDS, len(highs))
        shares.append(int(np.count_nonzero(bright & step.valid)))
    return max(shares) / max(step.count, 1)


def describe_stripes(step: StepValues) -> str:
    """Return what looks like stripes: lines of zeros at the border of the valid pixels, or lines that are repeated.

    Lines that are repeated in both directions are pixels of a coarser band, which is not a defect.
    """
    inner, valid = step.values, step.valid
    if not step.is_whole:
        rows, columns = np.flatnonzero(valid.any(axis=1)), np.flatnonzero(valid.any(axis=0))
        if not len(rows):
            return ""
        window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inner, valid = inner[:, *window], valid[window]
    if min(valid.shape) < MIN_LINES:
        return ""
    borders = [(inner[:, line], valid[line]) for line in (0, -1)]
    borders += [(inner[:, :, line], valid[:, line]) for line in (0, -1)]
    if any(_is_zero(values, observed) for values, observed in borders):
        return "lines of zeros at the border"
    along_rows, along_columns = _equal_pairs(inner), _equal_pairs(inner.swapaxes(1, 2))
    for in_rows, in_columns in zip(along_rows, along_columns, strict=True):
        if (in_rows >= MIN_EQUAL_LINES) != (in_columns >= MIN_EQUAL_LINES):
            share, lines = max((in_rows, "rows"), (in_columns, "columns"))
            return f"{share:.0%} of the pairs of {lines} are equal"
    return ""


def _is_zero(line: Values, valid: Mask) -> bool:
    if line[0, 0] != 0 and valid[0]:  # the usual case, without copies
        return False
    return bool(valid.any() and not (line[:, valid] != 0).any())


def _equal_pairs(bands: Values) -> list[float]:
    """Return for each band (B, H, W) the share of pairs of neighbouring lines that are equal and not flat.

    Lines 1 and 2, 3 and 4, … are pairs, or lines 2 and 3, 4 and 5, …, whichever are more.
    """
    hopeful = bands[:, :-1, 0] == bands[:, 1:, 0]
    for pixel in range(1, min(FIRST_PIXELS, bands.shape[2])):
        if not hopeful.any():
            return [0.0] * len(bands)
        hopeful &= bands[:, :-1, pixel] == bands[:, 1:, pixel]
    shares = [0.0] * len(bands)
    for start in (0, 1):
        pairs = hopeful[:, start::2]
        for band in np.flatnonzero(np.count_nonzero(pairs, axis=1) >= MIN_EQUAL_LINES * pairs.shape[1]):
            shares[band] = max(shares[band], _share_equal(bands[band], pairs[band], start))
    return shares


def _share_equal(band: Values, hopeful: Mask, start: int) -> float:
    """Return the share of pairs of lines of a band (H, W) that are equal and not flat, among those that may be."""
    lines = start + 2 * np.flatnonzero(hopeful)
    equal = (band[lines] == band[lines + 1]).all(axis=1)
    varied = band[lines].max(axis=1) != band[lines].min(axis=1)
    return np.count_nonzero(equal & varied) / len(hopeful)
