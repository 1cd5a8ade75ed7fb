"""Joint distribution of truth and prediction: counts on a square grid, for a figure of any number of pixels."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.model.metrics.distributed import increment_cells, is_positive, sum_over_processes
from instageo.model.metrics.error_sums import ValuePairs


@dataclass(frozen=True)
class DensityRange:
    """The counted square: `bins` equal steps from `low` to `high`, for truth and for prediction."""

    low: float
    high: float
    bins: int = 256

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high and self.bins > 0):
            raise ValueError(f"a density needs finite low < high and bins > 0, but got {self}")

    @classmethod
    def around(cls, low: float, high: float) -> "DensityRange":
        """Return the range with a margin of a tenth on either side, or of |value| / 2 (1 for 0) if it is one value."""
        margin = (high - low) / 10 or abs(low) / 2 or 1.0
        return cls(low - margin, high + margin)


@dataclass(frozen=True)
class Density:
    """Counts of pairs of truth and prediction.

    Attributes:
        range: The range that the cells divide.
        counts: Shape (bins, bins), int64, by truth (rows) and prediction; a cell holds its lower edge, the last its
            upper one too. Pairs outside count in the nearest cell at the border.
        num_outside: Number of pairs outside.
    """

    range: DensityRange
    counts: NDArray[np.int64]
    num_outside: int


class DensityCounter:
    """Counts pairs in fixed memory, 0.5 MB for 256 bins; only `compute` waits for a GPU."""

    def __init__(self, density_range: DensityRange, device: torch.device | str = "cpu") -> None:
        self.range = density_range
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all pairs; later ones will be on `device`."""
        self._cells = torch.zeros(self.range.bins**2 + 1, dtype=torch.long, device=device)
        self._num_outside = torch.zeros((), dtype=torch.long, device=device)

    def update(self, pairs: ValuePairs) -> None:
        """Count pairs of truth and prediction."""
        low, high, bins = self.range.low, self.range.high, self.range.bins
        coords = (pairs.values - low) * (bins / (high - low))
        inside = coords.clamp(0, bins)
        counted = pairs.counted.int()
        self._num_outside += (is_positive((coords - inside).abs().amax(0)) * counted).sum()
        truth, prediction = inside.int().clamp_(max=bins - 1)
        cells = truth * bins + prediction
        increment_cells(self._cells, (cells - bins**2) * counted + bins**2)  # the last one for pairs that do not count

    def compute(self, sync: bool) -> Density:
        """Return the counts; with `sync` those of all processes, which must all call it."""
        bins = self.range.bins
        cells = sum_over_processes(self._cells, sync)[:-1].view(bins, bins)
        return Density(self.range, cells.numpy(), int(sum_over_processes(self._num_outside, sync)))
