"""Scores of several labels per chip or pixel, each of which holds or not."""

import math

import torch
from torch import Tensor

from instageo.model.metrics.distributed import count_cells, positive, sum_over_processes
from instageo.model.metrics.roc import ODDS_BINS, average_precision, bin_log_odds, roc_auc


class MultiLabelMetrics:
    """Counts places, chips or pixels, by label, truth and decision, and by label, truth and probability.

    Labels of a place that are ignored never count. What has no score (NaN), as a label that occurs neither in truth
    nor in prediction, is left out of means. Nothing waits for a GPU before `compute`.

    Args:
        num_labels: K.
        ignore_index: Value of labels that does not count.
        threshold: A label is predicted where its probability is above this, between 0 and 1.
        ranks: Whether to keep the histograms for ROC-AUC and average precision, 0.5 MB a label.
        sync: Whether the processes of a distributed run add their counts up; otherwise each scores what it saw.
        device: Where logits and labels will lie.
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
        self._least = math.log(threshold / (1 - threshold))
        self.reset(device)

    def reset(self, device: torch.device | str = "cpu") -> None:
        """Forget all places; logits and labels will lie on `device`."""
        shapes = (self.num_labels, 3, 2), (self.num_labels, 2, ODDS_BINS if self.ranks else 0), (2,)
        self._pairs, self._histogram, self._places = (
            torch.zeros(shape, dtype=torch.long, device=device) for shape in shapes
        )

    @torch.no_grad()
    def update(self, logits: Tensor, label: Tensor) -> None:
        """Count the places of one chip or batch.

        Args:
            logits: Log-odds, shape (..., K, H, W), finite.
            label: The same shape: 1 where the label holds, 0 where not, or the ignored value.
        """
        log_odds, given = (tensor.movedim(-3, 0).flatten(1) for tensor in (logits.float(), label.int()))
        counted = (given - self.ignore_index).bool().int()
        truth = given * counted
        predicted = positive(log_odds - self._least)
        rows = torch.arange(self.num_labels, dtype=torch.int32, device=truth.device)[:, None]
        held = (truth - 2) * counted + 2  # ignored: 2
        count_cells(self._pairs, ((rows * 3 + held) * 2 + predicted).flatten())
        if self.ranks:
            bins = bin_log_odds(log_odds) * counted  # ignored: 0
            count_cells(self._histogram, ((rows * 2 + truth) * ODDS_BINS + bins).flatten())
        seen, wrong = counted.amax(0), ((predicted - truth) * counted).abs().amax(0)
        self._places += torch.stack([seen.sum(), (seen - wrong).sum()])

    def compute(self) -> dict[str, Tensor]:
        """Scores, on the CPU: see `scores_from_pairs`, and `roc_auc`, `mAP` with `roc_auc_per_class`, `ap_per_class`.

        In a distributed run, unless `sync` is off, every process must call it, and gets the same.
        """
        pairs, histogram, places = (
            sum_over_processes(each, self.sync) for each in (self._pairs, self._histogram, self._places)
        )
        scores = scores_from_pairs(pairs[:, :2], places)
        if self.ranks:
            counts = histogram[..., 1:]
            ranked = {"roc_auc": roc_auc(counts), "mAP": average_precision(counts)}
            scores |= {name: values.nanmean() for name, values in ranked.items()}
            scores |= {"roc_auc_per_class": ranked["roc_auc"], "ap_per_class": ranked["mAP"]}
        return scores


def scores_from_pairs(pairs: Tensor, places: Tensor) -> dict[str, Tensor]:
    """Scores of decisions, float64, in 0..1.

    Args:
        pairs: Places by label, truth (0, 1) and decision (0, 1), shape (K, 2, 2).
        places: Places with a label that counts, and those of them where all such labels are right.

    Returns:
        `accuracy`, the share of places where all labels are right; `mIoU`, `f1`, `precision`, `recall`, means over the
        labels that have the score; `f1_micro`, of all labels together; the four with `_per_class` (`iou_per_class`) of
        shape (K,), NaN for labels without; `support_per_class`, places where the label holds; `confusion_matrix`.
    """
    counts = pairs.double()
    hits, truth, predicted = counts[:, 1, 1], counts[:, 1].sum(1), counts[:, :, 1].sum(1)
    per_class = {
        "mIoU": hits / (truth + predicted - hits),
        "f1": 2 * hits / (truth + predicted),
        "precision": hits / predicted,
        "recall": hits / truth,
    }
    scores = {"accuracy": places[1].double() / places[0]}
    scores |= {name: values.nanmean() for name, values in per_class.items()}
    scores["f1_micro"] = 2 * hits.sum() / (truth + predicted).sum()
    scores |= {f"{name}_per_class".replace("mIoU", "iou"): values for name, values in per_class.items()}
    return scores | {"support_per_class": pairs[:, 1].sum(1), "confusion_matrix": pairs}
