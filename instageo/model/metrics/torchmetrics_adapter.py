"""The scores of this program as `torchmetrics.Metric`; imported on demand, since torchmetrics takes its time."""

from functools import reduce
from typing import Any

from torch import Tensor
from torchmetrics import Metric

from instageo.model.metrics.error_sums import ErrorSums
from instageo.model.metrics.multilabel import MultiLabelMetrics
from instageo.model.metrics.regression import RegressionMetrics
from instageo.model.metrics.segmentation import SegmentationMetrics

Counts = SegmentationMetrics | MultiLabelMetrics


class _CountMetric(Metric):
    """Keeps the counts of one of our metrics as states, which torchmetrics adds up over processes."""

    full_state_update = False

    def __init__(self, counts: Counts, **options: Any) -> None:
        super().__init__(**options)
        self._counts = counts
        self._names = [name for name, value in vars(counts).items() if isinstance(value, Tensor)]
        for name in self._names:
            self.add_state(f"counts{name}", getattr(counts, name).clone(), dist_reduce_fx="sum")

    def _shared(self) -> Counts:
        """Return the metric whose counts are the states themselves."""
        for name in self._names:
            setattr(self._counts, name, getattr(self, f"counts{name}"))
        return self._counts

    def update(self, logits: Tensor, label: Tensor) -> None:
        """Count one image, or a batch.

        Args:
            logits: Shape (..., K, H, W), finite.
            label: Shape (..., H, W) of classes, or that of the logits for several labels.
        """
        counts = self._shared()
        counts.update(logits, label)
        for name in self._names:
            setattr(self, f"counts{name}", getattr(counts, name))

    def compute(self) -> dict[str, Tensor]:
        """Return the scores by name, float64."""
        return self._shared().compute()


class SegmentationMetric(_CountMetric):
    """Scores of a segmentation as a `torchmetrics.Metric`: the same numbers as `mode=eval` writes.

    Args:
        num_classes: K.
        ignore_index: Label that does not count.
        roc: Whether ROC-AUC is computed, too.
        **options: Of `torchmetrics.Metric`.

    Examples:
        >>> import torch
        >>> from instageo.model import SegmentationMetric
        >>> metric = SegmentationMetric(num_classes=2)
        >>> logits = torch.tensor([[[2.0, -1.0]], [[0.0, 3.0]]])  # (K, H, W): classes 0 and 1 are predicted
        >>> metric.update(logits, torch.tensor([[0, 0]]))
        >>> float(metric.compute()["accuracy"])
        0.5
    """

    def __init__(self, num_classes: int, ignore_index: int = -1, *, roc: bool = False, **options: Any) -> None:
        super().__init__(SegmentationMetrics(num_classes, ignore_index, roc=roc, sync=False), **options)


class MultiLabelMetric(_CountMetric):
    """Scores of several labels per chip as a `torchmetrics.Metric`: the same numbers as `mode=eval` writes.

    Args:
        num_labels: K.
        ignore_index: Value of labels that does not count.
        threshold: A label is predicted if its probability is above this.
        **options: Of `torchmetrics.Metric`.

    Examples:
        >>> import torch
        >>> from instageo.model import MultiLabelMetric
        >>> metric = MultiLabelMetric(num_labels=2)
        >>> logits, label = torch.tensor([[[3.0]], [[-3.0]]]), torch.tensor([[[1]], [[1]]])  # (K, 1, 1)
        >>> metric.update(logits, label)
        >>> float(metric.compute()["f1_micro"])
        0.6666666666666666
    """

    def __init__(self, num_labels: int, ignore_index: int = -1, *, threshold: float = 0.5, **options: Any) -> None:
        super().__init__(MultiLabelMetrics(num_labels, ignore_index, threshold=threshold, sync=False), **options)


class RegressionMetric(Metric):
    """Scores of a regression as a `torchmetrics.Metric`: the same numbers as `mode=eval` writes.

    Args:
        expected_error: Coefficients (a, b): a prediction is within the expected error if its error is at most
            a + b |truth|; None for no such score.
        **options: Of `torchmetrics.Metric`.

    Examples:
        >>> import torch
        >>> from instageo.model import RegressionMetric
        >>> metric = RegressionMetric()
        >>> metric.update(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))  # NaN as truth does not count
        >>> scores = metric.compute()
        >>> float(scores["mae"]), float(scores["bias"])
        (1.0, -1.0)
    """

    full_state_update = False
    sums: Tensor

    def __init__(self, *, expected_error: tuple[float, float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._expected_error = expected_error
        self.add_state("sums", ErrorSums.zeros().to_tensor(), dist_reduce_fx=_merge)

    def _metrics(self) -> RegressionMetrics:
        """Return the metric whose sums are the state."""
        metrics = RegressionMetrics(expected_error=self._expected_error, sync=False, device=self.sums.device)
        metrics.sums = ErrorSums.from_tensor(self.sums)
        return metrics

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Add pairs of numbers of any equal shape; those whose truth is NaN do not count."""
        metrics = self._metrics()
        metrics.update(prediction, truth)
        self.sums = metrics.sums.to_tensor()

    def compute(self) -> dict[str, Tensor]:
        """Return the scores by name, float64."""
        return self._metrics().compute()


def _merge(sums: Tensor) -> Tensor:
    """Merge the sums of several processes, shape (N, 14), into one, (14,)."""
    return reduce(ErrorSums.merge, map(ErrorSums.from_tensor, sums)).to_tensor()
