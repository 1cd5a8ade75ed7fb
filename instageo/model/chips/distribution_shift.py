"""The values that chips usually have, and which chips are unlike those a network was trained on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 0.05, 0.5, 0.95
"""Quantiles of a chip's pixels that are compared: dark, usual and bright ones.

The dark ones matter most: haze and unit offsets lift them, while the median stays among the values of other chips.
"""

MAX_PIXELS = 4096
"""Pixels of a chip from which its quantiles are computed."""

MARGIN = 0.1
"""Share of a range by which it is widened on both sides."""

MIN_SHARE = 0.5
"""Share of a table's chips from which values outside the range are reported."""

HIGHER, LOWER = "higher", "lower"

Numbers = NDArray[np.float64]

UnlikeBands = Mapping[str, str]
"""Name of each band whose values lie outside the range, with `higher` or `lower`."""


def chip_quantiles(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> Numbers | None:
    """Return quantiles of each band over the valid pixels of all dates, shape (3, C); None without valid pixels.

    Args:
        image: Shape (C, T, H, W), in the unit of mean and std.
        valid: Shape (T, H, W).
    """
    pixels = np.flatnonzero(valid)
    if not pixels.size:
        return None
    chosen = pixels[:: -(-pixels.size // MAX_PIXELS)]
    values = np.sort(image.reshape(len(image), -1)[:, chosen], axis=1)  # float32 is sorted faster than selected from
    return np.quantile(values.astype(np.float64), LEVELS, axis=1)


@dataclass(frozen=True)
class ValueRange:
    """Range of the quantiles of usual chips, by quantile and band.

    Attributes:
        low: Lowest usual value of each of `LEVELS`, each of C bands.
        high: Highest usual value.
    """

    low: tuple[tuple[float, ...], ...]
    high: tuple[tuple[float, ...], ...]

    @staticmethod
    def from_chips(quantiles: Sequence[Numbers]) -> "ValueRange":
        """Return the range of 98 % of the given chips, a little widened, more so if there are few.

        Args:
            quantiles: Of each chip, see `chip_quantiles`.
        """
        all_chips = np.stack(quantiles)
        low, high = np.percentile(all_chips, (1, 99), axis=0)
        spread = np.median(all_chips[:, -1] - all_chips[:, 0], axis=0)
        margin = MARGIN * (high - low) + spread / len(all_chips)
        return ValueRange(_to_tuples(low - margin), _to_tuples(high + margin))

    @staticmethod
    def from_statistics(mean: Sequence[float], std: Sequence[float]) -> "ValueRange":
        """Return mean ± 3 standard deviations, where nothing else is known."""
        centre, reach = np.array(mean, dtype=np.float64), 3 * np.array(std, dtype=np.float64)
        low, high = centre - reach, centre + reach
        unbounded = np.full_like(low, np.inf)
        return ValueRange(_to_tuples([-unbounded, low, low]), _to_tuples([high, high, unbounded]))

    def find_unlike(self, quantiles: Numbers, band_names: Sequence[str]) -> dict[str, str]:
        """Return the bands of a chip that lie outside the range, with `higher` or `lower`."""
        higher, lower = quantiles > np.array(self.high), quantiles < np.array(self.low)
        directions = {
            name: HIGHER if higher[:, band].any() else LOWER if lower[:, band].any() else None
            for band, name in enumerate(band_names)
        }
        return {name: direction for name, direction in directions.items() if direction is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as checkpoints hold them."""
        return {
            "levels": list(LEVELS),
            "low": [list(row) for row in self.low],
            "high": [list(row) for row in self.high],
        }

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> "ValueRange":
        """Return the range that `to_dict` was called on."""
        return ValueRange(_to_tuples(content["low"]), _to_tuples(content["high"]))


def describe_unlike(chips: Sequence[UnlikeBands]) -> str | None:
    """Return a sentence if at least half of the chips are unlike the training chips in the same way, else None.

    Args:
        chips: Bands outside the range, of each chip of a table, or of one image.
    """
    counts = Counter(pair for chip in chips for pair in chip.items())
    clauses = []
    for direction in (HIGHER, LOWER):
        bands = {band: count for (band, way), count in counts.items() if way == direction}
        common = [band for band, count in bands.items() if count >= MIN_SHARE * len(chips)]
        if common:
            most = max(bands[band] for band in common)
            who = f"{most} of {len(chips)} chips have" if len(chips) > 1 else "the image has"
            clauses.append(f"{who} {direction} values in {', '.join(common)}")
    if not clauses:
        return None
    advice = " Compare mode=stats of both tables" if len(chips) > 1 else ""
    return (
        f"{' and '.join(clauses)} than nearly all training chips, so predictions may be wrong: is this "
        f"top-of-atmosphere instead of surface reflectance, another scale, or are these other bands?{advice}"
    )


def _to_tuples(rows: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in rows)
