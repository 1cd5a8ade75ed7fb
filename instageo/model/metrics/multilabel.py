"""Scores of multi-label classification, per chip or pixel."""

import math

import torch
from torch import Tensor

from instageo.model.metrics.distributed import increment_cells, is_positive, sum_over_processes
from instageo.model.metrics.roc import ODDS_BINS, average_precision, bin_log_odds, roc_auc


class MultiLabelMetrics:
    """Counts samples (chips or pixels) by label, truth and decision, and by label, truth and probability.

    Ignored labels of a sample never count. Undefined scores (NaN), such as those of a label that occurs neither in
    truth nor in prediction, are left out of means. Only `compute` waits for a GPU.

    Args:
        num_labels: K.
        ignore_index: Value of labels that does not count.
        threshold: A label is predicted where its probability is above this, between 0 and 1.
        ranks: Whether to keep the histograms for ROC-AUC and average precision, 0.5 MB a label.
        sync: Whether the processes of a distributed run add up their counts; otherwise each scores its own share.
        device: Where logits and labels will be.
    """

    def __init__(
        self,
        num_labels: int,
        ignore_index: int = -1,
        *,
        threshold: float = 0.5,
        ranks: bool = True,
        sync: bool = True,
        device: torch.device | str = "cpu",
    ) -> None:
        self.num_labels, self.ignore_index, self.ranks, self.sync = num_labels, ignore_index, ranks, sync
        self._min_log_odds = math.log(threshold / (1 - threshold))
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all samples; later logits and labels will be on `device`."""
        shapes = (self.num_labels, 3, 2), (self.num_labels, 2, ODDS_BINS if self.ranks else 0), (2,)
        self._pairs, self._histogram, self._samples = (
            torch.zeros(shape, dtype=torch.long, device=device) for shape in shapes
        )

    @torch.no_grad()
    def update(self, logits: Tensor, label: Tensor) -> None:
        """Count the samples of one chip or batch.

        Args:
            logits: Log-odds, shape (..., K, H, W), finite.
            label: The same shape: 1 where the label applies, 0 where it does not, or the ignored value.
        """
        log_odds, labels = (tensor.movedim(-3, 0).flatten(1) for tensor in (logits.float(), label.int()))
        counted = (labels - self.ignore_index).bool().int()
        truth = labels * counted
        predicted = is_positive(log_odds - self._min_log_odds)
        rows = torch.arange(self.num_labels, dtype=torch.int32, device=truth.device)[:, None]
        truth_or_ignored = (truth - 2) * counted + 2  # ignored: 2
        increment_cells(self._pairs, ((rows * 3 + truth_or_ignored) * 2 + predicted).flatten())
        if self.ranks:
            bins = bin_log_odds(log_odds) * counted  # ignored: 0
            increment_cells(self._histogram, ((rows * 2 + truth) * ODDS_BINS + bins).flatten())
        labelled, wrong = counted.amax(0), ((predicted - truth) * counted).abs().amax(0)
        self._samples += torch.stack([labelled.sum(), (labelled - wrong).sum()])

    def count_samples(self) -> dict[str, int]:
        """Return how many samples have a label that counts, and how many of them have all such labels right."""
        labelled, right = sum_over_processes(self._samples, self.sync).tolist()
        return {"labelled": labelled, "right": right}

    def compute(self) -> dict[str, Tensor]:
        """Return scores on the CPU: those of `scores_from_pairs`, and `roc_auc`, `mAP`, each with `_per_class`.

        The latter are `roc_auc_per_class` and `ap_per_class`. In a distributed run, unless `sync` is off, every process
        must call it, and gets the same scores.
        """
        pairs, histogram, samples = (
            sum_over_processes(counts, self.sync) for counts in (self._pairs, self._histogram, self._samples)
        )
        scores = scores_from_pairs(pairs[:, :2], samples)
        if self.ranks:
            histogram = histogram[..., 1:]
            ranked = {"roc_auc": roc_auc(histogram), "mAP": average_precision(histogram)}
            scores |= {name: values.nanmean() for name, values in ranked.items()}
            scores |= {"roc_auc_per_class": ranked["roc_auc"], "ap_per_class": ranked["mAP"]}
        return scores


def scores_from_pairs(pairs: Tensor, samples: Tensor) -> dict[str, Tensor]:
    """Compute scores of decisions, float64, in 0..1.

    Args:
        pairs: Number of samples by label, truth (0, 1) and decision (0, 1), shape (K, 2, 2).
        samples: Number of samples with a label that counts, and of those where all such labels are right; shape (2,).

    Returns:
        `accuracy`, the share of samples where all labels are right; `mIoU`, `f1`, `precision`, `recall`, means over the
        labels that have the score; `f1_micro`, of all labels together; the four with `_per_class` (`iou_per_class`) of
        shape (K,), NaN for labels without; `support_per_class`, samples to which the label applies;
        `confusion_matrix`.
    """
    counts = pairs.double()
    hits, truth, predicted = counts[:, 1, 1], counts[:, 1].sum(1), counts[:, :, 1].sum(1)
    per_class = {
        "mIoU": hits / (truth + predicted - hits),
        "f1": 2 * hits / (truth + predicted),
        "precision": hits / predicted,
        "recall": hits / truth,
    }
    scores = {"accuracy": samples[1].double() / samples[0]}
    scores |= {name: values.nanmean() for name, values in per_class.items()}
    scores["f1_micro"] = 2 * hits.sum() / (truth + predicted).sum()
    scores |= {f"{name}_per_class".replace("mIoU", "iou"): values for name, values in per_class.items()}
    return scores | {"support_per_class": pairs[:, 1].sum(1), "confusion_matrix": pairs}
