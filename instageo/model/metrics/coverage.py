"""How often predicted intervals contain the truth."""

import torch
from torch import Tensor

from instageo.model.metrics.distributed import sum_over_processes


class IntervalCoverage:
    """Counts labelled pixels inside predicted intervals: the prediction interval coverage probability (PICP).

    Args:
        sync: Whether the processes of a distributed run add up their counts.
        device: Where predictions and truth will be.
    """

    def __init__(self, *, sync: bool = True, device: torch.device | str = "cpu") -> None:
        self.sync = sync
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all pixels; later ones will be on `device`."""
        self._counts = torch.zeros(2, dtype=torch.int64, device=device)

    @torch.no_grad()
    def update(self, low: Tensor, high: Tensor, truth: Tensor) -> None:
        """Add pixels, of any shape; those whose truth is NaN do not count. Both ends belong to the interval."""
        inside = (low <= truth) & (truth <= high)
        self._counts += torch.stack([inside.sum(), (~truth.isnan()).sum()])

    def compute(self) -> Tensor:
        """Return the share of pixels inside, float64; NaN without pixels. In a distributed run every process calls."""
        inside, count = sum_over_processes(self._counts, self.sync).double()
        share: Tensor = inside / count
        return share
