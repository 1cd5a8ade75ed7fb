"""Multi-label classification: any number of classes may apply to a chip."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from instageo.model.metrics.multilabel import MultiLabelMetrics
from instageo.model.metrics.summary import summarize_scores
from instageo.model.tasks.base import Monitor
from instageo.model.tasks.predictions import MultiLabelPrediction
from instageo.model.tasks.score_files import per_class_lines, write_scores
from instageo.table import NONE

COLUMNS = {
    "iou": "mIoU", "f1": "f1", "precision": "precision", "recall": "recall", "roc_auc": "roc_auc", "ap": "mAP",
}  # fmt: skip
"""Scores per class that are shown, and the names of their means."""


@dataclass(frozen=True)
class MultiLabel:
    """Classes of which each applies to a chip or does not.

    Attributes:
        class_names: Names of the classes.
        ignore_index: Label that does not count.
    """

    class_names: tuple[str, ...]
    ignore_index: int = -1
    image_level: bool = True

    @property
    def monitor(self) -> Monitor:
        """Mean average precision, which depends on no threshold."""
        return Monitor("val_mAP", "max")

    @property
    def primary_metrics(self) -> tuple[str, ...]:
        """The scores that networks are compared by."""
        return "mAP", "f1"

    @property
    def num_outputs(self) -> int:
        """Output channels of the network."""
        return len(self.class_names)

    def wrap_loss(self, loss: nn.Module) -> nn.Module:
        """Return the loss unchanged."""
        return loss

    def build_metrics(
        self,
        *,
        final: bool = True,  # noqa: ARG002
        sync: bool = False,
        label_range: tuple[float, float] | None = None,  # noqa: ARG002
        device: torch.device | str = "cpu",
    ) -> MultiLabelMetrics:
        """Build counts of decisions, and histograms of probabilities."""
        return MultiLabelMetrics(len(self.class_names), self.ignore_index, sync=sync, device=device)

    def write_report(self, metrics: MultiLabelMetrics, folder: Path) -> dict[str, float]:
        """Write metrics.json and metrics.csv."""
        scores = metrics.compute()
        title = f"all classes right {float(scores['accuracy']):.4f}, mAP {float(scores['mAP']):.4f}"
        lines = per_class_lines(scores, self.class_names, COLUMNS, "chips")
        content = {**summarize_scores(scores, self.class_names), "samples": metrics.count_samples()}
        return write_scores(content, lines, title, folder)

    def activate(self, outputs: Tensor) -> Tensor:
        """Convert log-odds to probabilities."""
        return outputs.sigmoid()

    def deactivate(self, averaged: Tensor) -> Tensor:
        """Convert probabilities to log-odds."""
        limits = torch.finfo(averaged.dtype)
        return averaged.clamp(limits.tiny, 1 - limits.eps).logit()

    def to_prediction(self, outputs: Tensor, observed: Tensor) -> MultiLabelPrediction:
        """Convert log-odds (K, H, W) to decisions and probabilities, masked where nothing was observed."""
        return self.average_to_prediction(outputs.sigmoid(), observed)

    def average_to_prediction(self, averaged: Tensor, observed: Tensor) -> MultiLabelPrediction:
        """Convert averaged probabilities (K, H, W) to decisions, masked where nothing was observed."""
        valid = observed.cpu().numpy()
        probabilities = averaged.cpu().numpy()
        applies = np.where(valid, probabilities > 0.5, np.uint8(255)).astype(np.uint8)
        masked = np.where(valid, probabilities, np.float32(np.nan))
        return MultiLabelPrediction(applies, masked, valid, class_names=self.class_names)

    def to_record(self, prediction: MultiLabelPrediction) -> dict[str, str]:
        """Return the classes that apply, as tables write them, and all probabilities; empty if nothing was observed."""
        if not prediction.valid[0, 0]:
            return {"prediction": ""} | {f"p_{name}": "" for name in self.class_names}
        applicable = [name for name, flag in zip(self.class_names, prediction.applies[:, 0, 0], strict=True) if flag]
        probabilities = zip(self.class_names, prediction.probabilities[:, 0, 0], strict=True)
        return {"prediction": ";".join(applicable) or NONE} | {f"p_{name}": f"{p:.6g}" for name, p in probabilities}
