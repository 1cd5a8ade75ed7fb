"""Any number of classes may apply to a chip."""

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
"""Scores of each class that are shown, and what their means are called."""


@dataclass(frozen=True)
class MultiLabel:
    """Classes that apply to a chip, each by itself.

    Attributes:
        names: Of the classes.
        ignore_index: Label that does not count.
    """

    names: tuple[str, ...]
    ignore_index: int = -1
    image_level: bool = True

    @property
    def monitor(self) -> Monitor:
        """Mean average precision, which depends on no threshold."""
        return Monitor("val_mAP", "max")

    @property
    def headline(self) -> tuple[str, ...]:
        """The scores that networks are compared by."""
        return "mAP", "f1"

    def wrap_loss(self, loss: nn.Module) -> nn.Module:
        """The loss as it is."""
        return loss

    def metrics(
        self,
        *,
        final: bool = True,  # noqa: ARG002
        sync: bool = False,
        labels: tuple[float, float] | None = None,  # noqa: ARG002
        device: torch.device | str = "cpu",
    ) -> MultiLabelMetrics:
        """Decisions, and histograms of probabilities."""
        return MultiLabelMetrics(len(self.names), self.ignore_index, sync=sync, device=device)

    def report(self, metrics: MultiLabelMetrics, folder: Path) -> dict[str, float]:
        """metrics.json and metrics.csv."""
        scores = metrics.compute()
        title = f"all classes right {float(scores['accuracy']):.4f}, mAP {float(scores['mAP']):.4f}"
        lines = per_class_lines(scores, self.names, COLUMNS, "chips")
        return write_scores(summarize_scores(scores, self.names), lines, title, folder)

    def prediction(self, outputs: Tensor, observed: Tensor) -> MultiLabelPrediction:
        """Decisions and probabilities of log-odds (K, H, W), masked where nothing was observed."""
        seen = observed.cpu().numpy()
        probabilities = outputs.sigmoid().cpu().numpy()
        applies = np.where(seen, probabilities > 0.5, np.uint8(255)).astype(np.uint8)
        return MultiLabelPrediction(applies, np.where(seen, probabilities, np.float32(np.nan)), seen)

    def write(self, prediction: MultiLabelPrediction, path: Path) -> None:  # noqa: ARG002
        """Not for whole chips."""
        raise ValueError(f"{path}: labels of whole chips are no map")

    def record(self, prediction: MultiLabelPrediction) -> dict[str, str]:
        """The classes that apply, as tables write them, and all probabilities; empty if nothing was observed."""
        if not prediction.valid[0, 0]:
            return {"prediction": ""} | {f"p_{name}": "" for name in self.names}
        chosen = [name for name, holds in zip(self.names, prediction.applies[:, 0, 0], strict=True) if holds]
        shares = zip(self.names, prediction.probabilities[:, 0, 0], strict=True)
        return {"prediction": ";".join(chosen) or NONE} | {f"p_{name}": f"{share:.6g}" for name, share in shares}
