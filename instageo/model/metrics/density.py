"""How truth and prediction are spread: counts on a square grid, for a figure of any number of pixels."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.model.metrics.distributed import count_cells, positive, sum_over_processes
from instageo.model.metrics.error_sums import ValuePairs


@dataclass(frozen=True)
class DensityRange:
    """The square that is counted in: `bins` equal steps from `low` to `high` for truth and prediction alike."""

    low: float
    high: float
    bins: int = 256

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high and self.bins > 0):
            raise ValueError(f"a density needs finite low < high and bins > 0, not {self}")

    @classmethod
    def around(cls, low: float, high: float) -> "DensityRange":
        """A range and a tenth of it on either side; of a single value half its size, or 1 if it is 0."""
        margin = (high - low) / 10 or abs(low) / 2 or 1.0
        return cls(low - margin, high + margin)


@dataclass(frozen=True)
class Density:
    """Counts of pairs.

    Attributes:
        range: What the cells stand for.
        counts: Shape (bins, bins), int64, by truth (rows) and prediction; a cell holds its lower edge, the last its
            upper one too. Pairs outside lie in the nearest cell at the border.
        outside: How many those are.
    """

    range: DensityRange
    counts: NDArray[np.int64]
    outside: int


class DensityCounter:
    """Counts pairs in fixed memory, 0.5 MB for 256 bins; nothing waits for a GPU before `compute`."""

    def __init__(self, density_range: DensityRange, device: torch.device | str = "cpu") -> None:
        self.range = density_range
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all pairs; the next ones will lie on `device`."""
        self._cells = torch.zeros(self.range.bins**2 + 1, dtype=torch.long, device=device)
        self._outside = torch.zeros((), dtype=torch.long, device=device)

    def update(self, pairs: ValuePairs) -> None:
        """Count some pairs."""
        low, high, bins = self.range.low, self.range.high, self.range.bins
        places = (pairs.values - low) * (bins / (high - low))
        inside = places.clamp(0, bins)
        counted = pairs.counted.int()
        self._outside += (positive((places - inside).abs().amax(0)) * counted).sum()
        truth, prediction = inside.int().clamp_(max=bins - 1)
        cells = truth * bins + prediction
        count_cells(self._cells, (cells - bins**2) * counted + bins**2)  # the last one for pairs that do not count

    def compute(self, sync: bool) -> Density:
        """All pairs; with `sync` those of all processes, which must all call it."""
        bins = self.range.bins
        cells = sum_over_processes(self._cells, sync)[:-1].view(bins, bins)
        return Density(self.range, cells.numpy(), int(sum_over_processes(self._outside, sync)))
