"""Scores of a segmentation, all from one integer confusion matrix and one histogram of probabilities."""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from instageo.model.metrics.roc import BINS, probability_bins, roc_auc


class SegmentationMetrics:
    """Counts pixels by true and predicted class, and by class, truth and probability.

    Pixels with the ignored label never count. A class that occurs neither in truth nor in prediction has no
    score (NaN) and is left out of means. Nothing waits for a GPU before `compute`.

    Args:
        num_classes: K.
        ignore_index: Label that does not count.
        roc: Whether to keep the histograms for ROC-AUC.
        sync: Whether the processes of a distributed run add their counts up; otherwise each scores what it saw.
        device: Where logits and labels will lie.
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
        """Forget all pixels; logits and labels will lie on `device`."""
        classes = self.num_classes
        rows = 0 if not self.roc else 1 if classes == 2 else classes
        self._pairs = torch.zeros(classes + 1, classes, dtype=torch.long, device=device)  # the last row: ignored
        self._seen = torch.zeros(rows, BINS, dtype=torch.long, device=device)
        self._own = torch.zeros_like(self._seen)

    @torch.no_grad()
    def update(self, logits: Tensor, label: Tensor) -> None:
        """Count the pixels of one image or batch.

        Args:
            logits: Shape (..., K, H, W), finite.
            label: Shape (..., H, W), whole numbers: 0..K-1 or the ignored label.
        """
        classes = self.num_classes
        scores = logits.movedim(-3, 0).flatten(1).float()
        given = label.flatten().to(torch.int32)
        counted = (given - self.ignore_index).bool().to(torch.int32)
        truth = (given - classes) * counted + classes
        below = scores - scores.amax(0)
        predicted = _first_zero(below)
        _count(self._pairs, truth * classes + predicted)
        if self.roc:
            self._count_bins(probability_bins(below, predicted).mul_(counted), truth)

    def _count_bins(self, bins: Tensor, truth: Tensor) -> None:
        if len(bins) == 1:
            _count(self._own, bins[0] * truth)
        else:
            known = truth.clamp(max=self.num_classes - 1)
            _count(self._own, known * BINS + bins.gather(0, known.long()[None])[0])
        rows = torch.arange(len(bins), dtype=torch.int32, device=bins.device)
        _count(self._seen, bins.add_(rows[:, None] * BINS).flatten())

    @property
    def confusion(self) -> Tensor:
        """Pixels by true (rows) and predicted class, shape (K, K)."""
        return self._pairs[:-1]

    @property
    def histogram(self) -> Tensor:
        """Pixels by class, (rest, class) and rising probability, shape (K, 2, BINS - 1)."""
        return _by_truth(self._seen, self._own, self.num_classes)

    def compute(self) -> dict[str, Tensor]:
        """Scores in 0..1, float64: means as scalars, `*_per_class` of shape (K,), and the confusion matrix (K, K).

        All on the CPU. In a distributed run, unless `sync` is off, every process must call it, and gets the same.
        """
        pairs, seen, own = (self._total(counts) for counts in (self._pairs, self._seen, self._own))
        scores = scores_from_confusion(pairs[:-1])
        if self.roc:
            scores["roc_auc_per_class"] = roc_auc(_by_truth(seen, own, self.num_classes))
            scores["roc_auc"] = scores["roc_auc_per_class"].nanmean()
        return scores

    def _total(self, counts: Tensor) -> Tensor:
        if self.sync and dist.is_available() and dist.is_initialized():
            counts = counts.clone()
            dist.all_reduce(counts)
        return counts.cpu()


def highest_class(logits: Tensor) -> Tensor:
    """Class with the highest logit, the first of equals: what `argmax(0)` gives, in a fraction of its time on CPUs.

    Args:
        logits: Shape (K, ...), finite.

    Returns:
        Shape (...), int32.
    """
    return _first_zero(logits - logits.amax(0))


def _first_zero(values: Tensor) -> Tensor:
    """Position of the first 0 along the first dimension; every place has one. PyTorch's argmax is not vectorised."""
    if len(values) == 2:
        return values[0].bool().to(torch.int32)
    places = torch.arange(len(values), 0, -1, dtype=torch.int16, device=values.device)
    weighed = places.view(-1, *[1] * (values.ndim - 1)) * values.bool().logical_not_()
    return len(values) - weighed.amax(0).to(torch.int32)


def _count(counts: Tensor, cells: Tensor) -> None:
    """Add 1 to each of the cells, shape (N,), numbered through all dimensions; unlike `bincount` without waiting."""
    one = torch.ones((), dtype=counts.dtype, device=counts.device)
    counts.view(-1).index_add_(0, cells, one.expand(len(cells)))


def _by_truth(seen: Tensor, own: Tensor, classes: int) -> Tensor:
    """Histograms of shape (K, 2, BINS - 1); of two classes the first mirrors the second."""
    histogram = torch.stack([seen - own, own], dim=1)[..., 1:]
    return torch.cat([histogram.flip(1, 2), histogram]) if classes == 2 else histogram


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
