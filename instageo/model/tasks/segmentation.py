"""Each pixel, or each chip, has one class."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from instageo.model.figures.canvas import class_colors
from instageo.model.figures.confusion import confusion_figure
from instageo.model.metrics.segmentation import SegmentationMetrics, highest_class
from instageo.model.metrics.summary import summarize_scores
from instageo.model.tasks.base import Monitor
from instageo.model.tasks.predictions import ClassPrediction
from instageo.model.tasks.score_files import per_class_lines, write_scores
from instageo.raster.writing import write_raster

log = logging.getLogger(__name__)

COLUMNS = {"iou": "mIoU", "f1": "f1", "precision": "precision", "recall": "recall", "roc_auc": "roc_auc"}
"""Scores of each class that are shown, and what their means are called."""


@dataclass(frozen=True)
class Segmentation:
    """Classes of pixels, or of whole chips.

    Attributes:
        names: Of the classes.
        colors: Red, green, blue of each class; None for those of the palette.
        ignore_index: Label that does not count.
        image_level: Whether a chip has one class.
    """

    names: tuple[str, ...]
    colors: Sequence[Sequence[int]] | None = None
    ignore_index: int = -1
    image_level: bool = False

    @property
    def monitor(self) -> Monitor:
        """Of maps the mean IoU, of chips the mean F1."""
        return Monitor("val_f1" if self.image_level else "val_mIoU", "max")

    @property
    def headline(self) -> tuple[str, ...]:
        """The scores that networks are compared by."""
        return ("f1", "accuracy") if self.image_level else ("mIoU", "accuracy", "f1")

    def wrap_loss(self, loss: nn.Module) -> nn.Module:
        """The loss as it is."""
        return loss

    def metrics(
        self,
        *,
        final: bool = True,
        sync: bool = False,
        labels: tuple[float, float] | None = None,  # noqa: ARG002
        device: torch.device | str = "cpu",
    ) -> SegmentationMetrics:
        """Confusion matrix and, in the end, the histograms for ROC-AUC."""
        return SegmentationMetrics(len(self.names), self.ignore_index, roc=final, sync=sync, device=device)

    def report(self, metrics: SegmentationMetrics, folder: Path) -> dict[str, float]:
        """metrics.json, metrics.csv and confusion_matrix.png."""
        scores = metrics.compute()
        lines = per_class_lines(scores, self.names, COLUMNS, "chips" if self.image_level else "pixels")
        title = f"accuracy {float(scores['accuracy']):.4f}, mIoU {float(scores['mIoU']):.4f}"
        confusion_figure(scores["confusion_matrix"].tolist(), self.names, folder / "confusion_matrix.png")
        return write_scores(summarize_scores(scores, self.names), lines, title, folder)

    def prediction(self, outputs: Tensor, observed: Tensor) -> ClassPrediction:
        """Classes and probabilities of logits (K, H, W), masked where nothing was observed."""
        kind: type[np.uint8 | np.uint16] = np.uint8 if len(outputs) <= 254 else np.uint16
        no_data_value = int(np.iinfo(kind).max)
        seen = observed.cpu().numpy()
        chosen = highest_class(outputs).cpu().numpy().astype(kind)
        classes = np.where(seen, chosen, kind(no_data_value))
        probabilities = np.where(seen, outputs.softmax(0).cpu().numpy(), np.float32(np.nan))
        return ClassPrediction(classes, probabilities, seen, no_data_value)

    def write(self, prediction: ClassPrediction, path: Path) -> None:
        """Classes as GeoTIFF with no-data, class names and colours."""
        if prediction.grid is None:
            raise ValueError("a prediction of an array has no grid to write it on")
        write_raster(
            path,
            prediction.classes[None],
            prediction.grid,
            no_data_value=prediction.no_data_value,
            bands=["class"],
            class_names=self.names,
            class_colors=class_colors(self.colors, len(self.names)),
        )

    def record(self, prediction: ClassPrediction) -> dict[str, str]:
        """Name and probability of the chip's class, and the probabilities of all; empty where nothing was observed."""
        seen = bool(prediction.valid[0, 0])
        shares = {f"p_{name}": share for name, share in zip(self.names, prediction.probabilities[:, 0, 0], strict=True)}
        chosen = self.names[int(prediction.classes[0, 0])] if seen else ""
        return {"prediction": chosen} | {key: f"{share:.6g}" if seen else "" for key, share in shares.items()}
