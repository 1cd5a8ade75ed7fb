"""Classification: each pixel, or each chip, has one class."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from instageo.model.figures.confusion import draw_confusion
from instageo.model.metrics.segmentation import SegmentationMetrics, highest_class
from instageo.model.metrics.summary import summarize_scores
from instageo.model.tasks.base import Monitor
from instageo.model.tasks.predictions import ClassPrediction
from instageo.model.tasks.score_files import per_class_lines, write_scores

log = logging.getLogger(__name__)

COLUMNS = {"iou": "mIoU", "f1": "f1", "precision": "precision", "recall": "recall", "roc_auc": "roc_auc"}
"""Scores per class that are shown, and the names of their means."""


@dataclass(frozen=True)
class Segmentation:
    """Classes of pixels, or of whole chips.

    Attributes:
        class_names: Names of the classes.
        class_colors: Red, green, blue of each class; None for the usual ones of their names.
        ignore_index: Label that does not count.
        image_level: Whether a chip has one class.
    """

    class_names: tuple[str, ...]
    class_colors: Sequence[Sequence[int]] | None = None
    ignore_index: int = -1
    image_level: bool = False

    @property
    def monitor(self) -> Monitor:
        """The mean IoU of maps, or the mean F1 of chips."""
        return Monitor("val_f1" if self.image_level else "val_mIoU", "max")

    @property
    def primary_metrics(self) -> tuple[str, ...]:
        """The scores that networks are compared by."""
        return ("f1", "accuracy") if self.image_level else ("mIoU", "accuracy", "f1")

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
        final: bool = True,
        sync: bool = False,
        label_range: tuple[float, float] | None = None,  # noqa: ARG002
        device: torch.device | str = "cpu",
    ) -> SegmentationMetrics:
        """Build the confusion matrix and, for final scores, the histograms for ROC-AUC."""
        return SegmentationMetrics(len(self.class_names), self.ignore_index, roc=final, sync=sync, device=device)

    def write_report(self, metrics: SegmentationMetrics, folder: Path) -> dict[str, float]:
        """Write metrics.json, metrics.csv and confusion_matrix.png."""
        scores = metrics.compute()
        lines = per_class_lines(scores, self.class_names, COLUMNS, "chips" if self.image_level else "pixels")
        title = f"accuracy {float(scores['accuracy']):.4f}, mIoU {float(scores['mIoU']):.4f}"
        draw_confusion(scores["confusion_matrix"].tolist(), self.class_names, folder / "confusion_matrix.png")
        return write_scores(summarize_scores(scores, self.class_names), lines, title, folder)

    def activate(self, outputs: Tensor) -> Tensor:
        """Convert logits (B, K, h, w) to probabilities."""
        return outputs.softmax(1)

    def deactivate(self, averaged: Tensor) -> Tensor:
        """Convert probabilities (K, H, W) to logits, their logarithms."""
        return averaged.clamp(min=torch.finfo(averaged.dtype).tiny).log()

    def to_prediction(self, outputs: Tensor, observed: Tensor) -> ClassPrediction:
        """Convert logits (K, H, W) to classes and probabilities, masked where nothing was observed."""
        return self._prediction(outputs, outputs.softmax(0), observed)

    def average_to_prediction(self, averaged: Tensor, observed: Tensor) -> ClassPrediction:
        """Convert averaged probabilities (K, H, W) to classes, masked where nothing was observed."""
        return self._prediction(averaged, averaged, observed)

    def _prediction(self, outputs: Tensor, softmax: Tensor, observed: Tensor) -> ClassPrediction:
        dtype: type[np.uint8 | np.uint16] = np.uint8 if len(outputs) <= 254 else np.uint16
        no_data_value = int(np.iinfo(dtype).max)
        valid = observed.cpu().numpy()
        predicted = highest_class(outputs).cpu().numpy().astype(dtype)
        classes = np.where(valid, predicted, dtype(no_data_value))
        probabilities = softmax.cpu().numpy()
        if not valid.all():
            probabilities = np.where(valid, probabilities, np.float32(np.nan))
        return ClassPrediction(
            classes, probabilities, valid, no_data_value, class_names=self.class_names, class_colors=self.class_colors
        )

    def to_record(self, prediction: ClassPrediction) -> dict[str, str]:
        """Return the name of the chip's class and the probabilities of all; empty where nothing was observed."""
        valid = bool(prediction.valid[0, 0])
        predicted = self.class_names[int(prediction.classes[0, 0])] if valid else ""
        probabilities = zip(self.class_names, prediction.probabilities[:, 0, 0], strict=True)
        return {"prediction": predicted} | {f"p_{name}": f"{p:.6g}" if valid else "" for name, p in probabilities}
