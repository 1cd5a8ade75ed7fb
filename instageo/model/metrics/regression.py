"""Scores of a regression, all from sums over pairs of truth and prediction in float64."""

from functools import reduce

import torch
from torch import Tensor

from instageo.errors import DataError
from instageo.model.metrics.density import Density, DensityCounter, DensityRange
from instageo.model.metrics.distributed import float64_device, gather_over_processes
from instageo.model.metrics.error_sums import ErrorSums, ValuePairs


class RegressionMetrics:
    """Adds up pairs of truth and prediction in natural units.

    Pixels whose truth is NaN never count. A prediction, or a truth, that is infinite, or a prediction that is NaN where
    there is a truth, is told by `compute` in an error. Nothing waits for a GPU before `compute`; on devices without
    float64 (Apple's) sums are taken on the CPU.

    Args:
        expected_error: Coefficients (a, b): a prediction is within the expected error if |prediction - truth| <=
            a + b |truth|, in float64. None leaves this score out.
        density: Range of the counts that `compute_density` gives, for a figure; None keeps none.
        sync: Whether the processes of a distributed run put their sums together; otherwise each scores what it saw.
        device: Where predictions and truth will lie.
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
            raise ValueError(f"the expected error needs coefficients of 0 or more, not {expected_error}")
        self.expected_error, self.sync = expected_error, sync
        self._density = DensityCounter(density) if density else None
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all pixels; predictions and truth will lie on `device`."""
        self._device = float64_device(device)
        self._sums = ErrorSums.none(self._device)
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
            pairs = ValuePairs.of(prediction.to(self._device), truth.to(self._device))
            self._sums = self._sums.merged(ErrorSums.of(pairs, self.expected_error or (0, 0)))
            if self._density:
                self._density.update(pairs)

    def compute(self) -> dict[str, Tensor]:
        """Scores as scalars, float64, on the CPU: see `scores_from_sums`.

        In a distributed run, unless `sync` is off, every process must call it, and gets the same.

        Raises:
            DataError: Truth or prediction was no finite number where there is a truth.
        """
        processes = (ErrorSums.unpacked(numbers) for numbers in gather_over_processes(self._sums.packed(), self.sync))
        sums = reduce(ErrorSums.merged, processes)
        if sums.broken:
            raise DataError(
                f"{int(sums.broken)} of {int(sums.broken + sums.count)} labelled pixels have an infinite label or a "
                "prediction that is no finite number; correct the labels, or train with a lower train.learning_rate"
            )
        scores = scores_from_sums(sums)
        if self.expected_error is None:
            del scores["expected_error"]
        return scores

    def compute_density(self) -> Density | None:
        """Counts of pairs for a figure, if there is a range; in a distributed run as `compute`."""
        return self._density.compute(self.sync) if self._density else None


def scores_from_sums(sums: ErrorSums) -> dict[str, Tensor]:
    """Scores; NaN where they are not defined.

    Returns:
        `rmse`, `mae`, `bias` (mean of prediction - truth), in the unit of the truth, NaN without pixels;
        `r2` (1 - squared errors / squared deviations of the truth from its mean), NaN if the truth does not vary;
        `pearson`, -1..1, NaN if truth or prediction does not vary;
        `expected_error`, the share of pixels within the expected error;
        `count`, int64, pixels.
    """
    bias, mae, mse = sums.errors / sums.count
    truth, prediction = sums.products.diagonal()
    return {
        "rmse": mse.sqrt(),
        "mae": mae,
        "bias": bias,
        "r2": (1 - sums.errors[2] / truth).where(truth > 0, torch.nan),
        "pearson": (sums.products[0, 1] / (truth.sqrt() * prediction.sqrt())).clamp(-1, 1),
        "expected_error": sums.within / sums.count,
        "count": sums.count.long(),
    }
