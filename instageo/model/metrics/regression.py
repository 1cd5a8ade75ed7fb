"""Scores of a regression, computed from float64 sums over pairs of truth and prediction."""

from functools import reduce

import torch
from torch import Tensor

from instageo.errors import DataError
from instageo.model.metrics.density import Density, DensityCounter, DensityRange
from instageo.model.metrics.distributed import float64_device, gather_over_processes
from instageo.model.metrics.error_sums import ErrorSums, ValuePairs


class RegressionMetrics:
    """Accumulates errors of predictions in natural units.

    Pixels whose truth is NaN never count. `compute` raises an error if a truth is infinite, or a prediction is not
    finite where there is a truth. Only `compute` waits for a GPU; on devices without float64 (Apple's) sums are taken
    on the CPU.

    Args:
        expected_error: Coefficients (a, b): a prediction is within the expected error if |prediction - truth| <=
            a + b |truth|, in float64. None leaves this score out.
        density: Range of the counts that `compute_density` returns, for a figure; None for no counts.
        sync: Whether the processes of a distributed run merge their sums; otherwise each scores its own share.
        device: Where predictions and truth will be.
    """

    def __init__(
        self,
        *,
        expected_error: tuple[float, float] | None = (0.05, 0.15),
        density: DensityRange | None = None,
        sync: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        if expected_error is not None and min(expected_error) < 0:
            raise ValueError(f"the expected error needs coefficients of 0 or more, but got {expected_error}")
        self.expected_error, self.sync = expected_error, sync
        self._density = DensityCounter(density) if density else None
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all pixels; later predictions and truth will be on `device`."""
        self._device = float64_device(device)
        self.sums = ErrorSums.zeros(self._device)
        if self._density:
            self._density.reset(self._device)

    @torch.no_grad()
    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add the pixels of one image or batch.

        Args:
            prediction: Any shape, float.
            truth: The same shape; NaN does not count.

        Raises:
            ValueError: The shapes differ.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(truth.shape)} differ in shape")
        if truth.numel():
            pairs = ValuePairs.from_tensors(prediction.to(self._device), truth.to(self._device))
            self.sums = self.sums.merge(ErrorSums.from_pairs(pairs, self.expected_error or (0, 0)))
            if self._density:
                self._density.update(pairs)

    def compute(self) -> dict[str, Tensor]:
        """Return scores as scalars, float64, on the CPU; see `scores_from_sums`.

        In a distributed run, unless `sync` is off, every process must call it, and gets the same scores.

        Raises:
            DataError: A truth was infinite, or a prediction was not finite where there is a truth.
        """
        processes = (
            ErrorSums.from_tensor(numbers) for numbers in gather_over_processes(self.sums.to_tensor(), self.sync)
        )
        sums = reduce(ErrorSums.merge, processes)
        if sums.num_nonfinite:
            raise DataError(
                f"{int(sums.num_nonfinite)} of {int(sums.num_nonfinite + sums.count)} labelled pixels have an infinite "
                "label or a prediction that is not finite; correct the labels, or train with a lower "
                "train.learning_rate"
            )
        scores = scores_from_sums(sums)
        if self.expected_error is None:
            del scores["expected_error"]
        return scores

    def compute_density(self) -> Density | None:
        """Return counts of pairs for a figure, or None without a range; in a distributed run as `compute`."""
        return self._density.compute(self.sync) if self._density else None


def scores_from_sums(sums: ErrorSums) -> dict[str, Tensor]:
    """Compute scores; NaN where they are undefined.

    Returns:
        `rmse`, `mae`, `bias` (mean of prediction - truth), in the unit of the truth, NaN without pixels;
        `r2` (1 - squared errors / squared deviations of the truth from its mean), NaN if the truth does not vary;
        `pearson`, -1..1, NaN if truth or prediction does not vary;
        `expected_error`, the share of pixels within the expected error;
        `count`, int64, the number of pixels.
    """
    bias, mae, mse = sums.errors / sums.count
    truth, prediction = sums.products.diagonal()
    return {
        "rmse": mse.sqrt(),
        "mae": mae,
        "bias": bias,
        "r2": (1 - sums.errors[2] / truth).where(truth > 0, torch.nan),
        "pearson": (sums.products[0, 1] / (truth.sqrt() * prediction.sqrt())).clamp(-1, 1),
        "expected_error": sums.num_within / sums.count,
        "count": sums.count.long(),
    }
