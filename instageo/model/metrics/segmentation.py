"""Scores of a segmentation, computed from an integer confusion matrix and a histogram of probabilities."""

import torch
from torch import Tensor

from instageo.model.metrics.distributed import increment_cells, is_positive, sum_over_processes
from instageo.model.metrics.roc import BINS, bin_binary, bin_multiclass, roc_auc


class SegmentationMetrics:
    """Counts pixels by true and predicted class, and by class, truth and probability.

    Pixels with the ignored label never count. A class that occurs neither in truth nor in prediction has no
    score (NaN) and is left out of means. Only `compute` waits for a GPU.

    Args:
        num_classes: K.
        ignore_index: Label that does not count.
        roc: Whether to keep the histograms for ROC-AUC.
        sync: Whether the processes of a distributed run add up their counts; otherwise each scores its own share.
        device: Where logits and labels will be.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_index: int = -1,
        *,
        roc: bool = True,
        sync: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self.num_classes, self.ignore_index, self.roc, self.sync = num_classes, ignore_index, roc, sync
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all pixels; later logits and labels will be on `device`."""
        classes, bins = self.num_classes, BINS if self.roc else 0
        self._pairs, self._truth_histogram, self._class_histogram = (
            torch.zeros(shape, dtype=torch.long, device=device)
            for shape in ((classes + 1, classes), (classes + 1, bins), (0 if classes == 2 else classes, bins))
        )

    @torch.no_grad()
    def update(self, logits: Tensor, label: Tensor) -> None:
        """Count the pixels of one image or batch.

        Args:
            logits: Shape (..., K, H, W), finite.
            label: Shape (..., H, W), whole numbers: 0..K-1 or the ignored label.
        """
        flat = label.flatten().to(torch.int32)
        counted = (flat - self.ignore_index).bool().to(torch.int32)
        truth = (flat - self.num_classes) * counted + self.num_classes  # ignored: K
        scores = logits.movedim(-3, 0).flatten(1).float()
        if len(scores) == 2:
            self._count_binary(scores[1] - scores[0], truth)
        else:
            self._count_multiclass(scores - scores.amax(0), truth, counted)

    def _count_binary(self, log_odds: Tensor, truth: Tensor) -> None:
        increment_cells(self._pairs, truth * 2 + is_positive(log_odds))
        if self.roc:
            increment_cells(self._truth_histogram, truth * BINS + bin_binary(log_odds))

    def _count_multiclass(self, below_highest: Tensor, truth: Tensor, counted: Tensor) -> None:
        classes, predicted = len(below_highest), _first_zero(below_highest)
        increment_cells(self._pairs, truth * classes + predicted)
        if self.roc:
            bins = bin_multiclass(below_highest, predicted)
            true_class = truth.clamp(max=classes - 1)
            increment_cells(self._truth_histogram, truth * BINS + bins.gather(0, true_class.long()[None])[0])
            weight = counted.long()  # ignored pixels add 0
            for counts, row in zip(self._class_histogram, bins, strict=True):
                counts.index_add_(0, row, weight)

    @property
    def confusion(self) -> Tensor:
        """Number of pixels by true (rows) and predicted class, shape (K, K)."""
        return self._pairs[:-1]

    @property
    def histogram(self) -> Tensor:
        """Number of pixels by class, (rest, class) and rising probability, shape (K, 2, BINS - 1)."""
        return _histogram(self._truth_histogram, self._class_histogram)

    def compute(self) -> dict[str, Tensor]:
        """Return scores in 0..1, float64: means as scalars, `*_per_class` of shape (K,), the confusion matrix (K, K).

        All are on the CPU. In a distributed run, unless `sync` is off, every process must call it, and gets the same
        scores.
        """
        pairs, truth_histogram, class_histogram = (
            sum_over_processes(counts, self.sync)
            for counts in (self._pairs, self._truth_histogram, self._class_histogram)
        )
        scores = scores_from_confusion(pairs[:-1])
        if self.roc:
            scores["roc_auc_per_class"] = roc_auc(_histogram(truth_histogram, class_histogram))
            scores["roc_auc"] = scores["roc_auc_per_class"].nanmean()
        return scores


def highest_class(logits: Tensor) -> Tensor:
    """Return the class with the highest logit, the first of equals: `argmax(0)`, in a fraction of its time on CPUs.

    Args:
        logits: Shape (K, ...), finite.

    Returns:
        Shape (...), int32.
    """
    return is_positive(logits[1] - logits[0]) if len(logits) == 2 else _first_zero(logits - logits.amax(0))


def _first_zero(values: Tensor) -> Tensor:
    """Return the position of the first 0 along the first dimension, int32; every column has one."""
    dtype = torch.uint8 if len(values) < 256 else torch.int16
    from_end = torch.arange(len(values), 0, -1, dtype=dtype, device=values.device)
    is_zero = values.bool().logical_not_().view(torch.uint8)
    return len(values) - (from_end.view(-1, *[1] * (values.ndim - 1)) * is_zero).amax(0).to(torch.int32)


def _histogram(truth_histogram: Tensor, class_histogram: Tensor) -> Tensor:
    """Return histograms of shape (K, 2, BINS - 1); with two classes the first mirrors the second.

    Args:
        truth_histogram: Number of pixels by true class and bin of its probability, the last row for ignored ones; with
            two classes by true class and bin of the second's probability.
        class_histogram: Number of pixels by class and bin of its probability; no rows if there are two classes.
    """
    if len(class_histogram) == 0:
        second = truth_histogram[:-1, 1:]
        return torch.stack([second.flip(0, 1), second])
    own = truth_histogram[:-1]
    return torch.stack([class_histogram - own, own], dim=1)[..., 1:]


def scores_from_confusion(confusion: Tensor) -> dict[str, Tensor]:
    """Compute scores from a confusion matrix whose rows are the truth and whose columns are the prediction.

    Returns:
        `accuracy`, `mIoU`, `f1`, `precision`, `recall` as scalars (the latter four are means over the classes that
        have the score), the same with `_per_class` of shape (K,) for all but accuracy, `support_per_class` (labelled
        pixels) and `confusion_matrix`.
    """
    counts = confusion.double()
    hits, truth, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    per_class = {
        "iou": hits / (truth + predicted - hits),
        "f1": 2 * hits / (truth + predicted),
        "precision": hits / predicted,
        "recall": hits / truth,
    }
    scores = {"accuracy": hits.sum() / counts.sum()}
    scores |= {"mIoU" if name == "iou" else name: values.nanmean() for name, values in per_class.items()}
    scores |= {f"{name}_per_class": values for name, values in per_class.items()}
    return scores | {"support_per_class": confusion.sum(1), "confusion_matrix": confusion}
