"""Scores of a segmentation, all from one integer confusion matrix and one histogram of probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

THRESHOLDS, STEEPEST = 4096, 32.0
"""Bins of the histograms that ROC-AUC is computed from: equal steps of the log-odds from -32 to 32, so that
probabilities near 0 and 1 are told apart as well as those in the middle."""


class SegmentationMetrics(Metric):
    """Counts pixels by true and predicted class, and by class, truth and probability.

    Pixels with the ignored label never count. A class that occurs neither in truth nor in prediction has no
    score (NaN) and is left out of means.

    Args:
        num_classes: K.
        ignore_index: Label that does not count.
        roc: Whether to keep the histograms for ROC-AUC.
        sync: Whether the processes of a distributed run add their counts up; otherwise each scores what it saw.
    """

    full_state_update = False
    confusion: Tensor
    histogram: Tensor

    def __init__(self, num_classes: int, ignore_index: int = -1, *, roc: bool = True, sync: bool = True) -> None:
        super().__init__(sync_on_compute=sync)
        self.num_classes, self.ignore_index, self.roc = num_classes, ignore_index, roc
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.long), dist_reduce_fx="sum")
        bins = torch.zeros(num_classes, 2, THRESHOLDS if roc else 0, dtype=torch.long)
        self.add_state("histogram", bins, dist_reduce_fx="sum")

    def update(self, logits: Tensor, label: Tensor) -> None:
        """Count the pixels of one image or batch.

        Args:
            logits: Shape (..., K, H, W).
            label: Shape (..., H, W).
        """
        counted = label != self.ignore_index
        truth = label[counted]
        scores = logits.movedim(-3, -1)[counted]
        pairs = truth * self.num_classes + scores.argmax(-1)
        shape = self.confusion.shape
        self.confusion += torch.bincount(pairs, minlength=shape[0] * shape[1]).view(shape)
        if self.roc:
            self.histogram += self._histogram(scores, truth)

    def _histogram(self, scores: Tensor, truth: Tensor) -> Tensor:
        classes = torch.arange(self.num_classes, device=truth.device)
        log_odds = -torch.expm1(-scores.double().log_softmax(-1)).log()
        share = (log_odds.clamp_(-STEEPEST, STEEPEST) + STEEPEST) / (2 * STEEPEST)
        bins = (share * THRESHOLDS).long().clamp_(max=THRESHOLDS - 1)
        cell = (classes * 2 + (truth[:, None] == classes)) * THRESHOLDS + bins
        return torch.bincount(cell.flatten(), minlength=self.histogram.numel()).view_as(self.histogram)

    def compute(self) -> dict[str, Tensor]:
        """Scores in 0..1, float64: means as scalars, `*_per_class` of shape (K,), and the confusion matrix (K, K)."""
        scores = scores_from_confusion(self.confusion)
        if self.roc:
            scores["roc_auc_per_class"] = roc_auc(self.histogram)
            scores["roc_auc"] = scores["roc_auc_per_class"].nanmean()
        return scores


def scores_from_confusion(confusion: Tensor) -> dict[str, Tensor]:
    """Scores of a confusion matrix whose rows are the truth and whose columns the prediction.

    Returns:
        `accuracy`, `mIoU`, `f1`, `precision`, `recall` as scalars (the latter four are means over the classes that
        have the score), the same with `_per_class` of shape (K,) for all but accuracy, `support_per_class` (labelled
        pixels) and `confusion_matrix`.
    """
    counts = confusion.double()
    hits, truth, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    per_class = {
        "mIoU": hits / (truth + predicted - hits),
        "f1": 2 * hits / (truth + predicted),
        "precision": hits / predicted,
        "recall": hits / truth,
    }
    scores = {"accuracy": hits.sum() / counts.sum()}
    scores |= {name: values.nanmean() for name, values in per_class.items()}
    scores |= {f"{name}_per_class".replace("mIoU", "iou"): values for name, values in per_class.items()}
    return scores | {"support_per_class": confusion.sum(1), "confusion_matrix": confusion}


def roc_auc(histogram: Tensor) -> Tensor:
    """Area under the ROC curve of each class against the rest; NaN where one side has no pixel.

    The probability that a pixel of the class ranks above one of the rest, ties counting half (Mann-Whitney), with
    ranks as fine as the bins.

    Args:
        histogram: Pixels by class, (rest, class) and rising probability, shape (K, 2, bins).
    """
    rest, own = histogram.double().unbind(1)
    below = rest.cumsum(-1) - rest / 2
    return (own * below).sum(-1) / (own.sum(-1) * rest.sum(-1))


def summary(scores: dict[str, Tensor], class_names: Sequence[str]) -> dict[str, object]:
    """Scores as plain numbers by class name, NaN as None: what goes to JSON."""

    def plain(value: float) -> float | None:
        return None if value != value else value

    means = {name: plain(value.item()) for name, value in scores.items() if value.ndim == 0}
    names = [name for name in scores if name.endswith("_per_class")]
    per_class = {
        label: {name.removesuffix("_per_class"): plain(scores[name][position].item()) for name in names}
        for position, label in enumerate(class_names)
    }
    return {**means, "per_class": per_class, "confusion_matrix": scores["confusion_matrix"].tolist()}
