"""`mode=eval`: score a checkpoint on every labelled pixel of a table."""

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from torch import Tensor

from instageo.model.accounts.network import note_predictor
from instageo.model.check import TableReport
from instageo.model.dataset import WholeChips, scoring_loader
from instageo.model.figures import confusion_figure
from instageo.model.metrics.segmentation import SegmentationMetrics, summary
from instageo.model.predictor import Predictor, predictor_from
from instageo.model.settings import Run, require
from instageo.model.tables import checked_table, chip_source, warn_of_another_unit
from instageo.progress import track

log = logging.getLogger(__name__)

SHOWN = ("iou", "f1", "precision", "recall", "roc_auc")
"""Columns of the table of scores, as they are called per class."""


def evaluate(run: Run) -> None:
    """Score `checkpoint_path` on `test_filepath`; leaves metrics.json, metrics.csv and confusion_matrix.png."""
    settings = run.settings
    which = "test_filepath" if settings.test_filepath else "valid_filepath"
    if not settings.valid_filepath:
        require(settings, "test_filepath")
    require(settings, "root_dir", "checkpoint_path")
    predictor = predictor_from(settings, run.explicit)
    report = checked_table(replace(run, settings=predictor.settings), which)
    warn_of_another_unit(predictor.settings, report)
    with run.notes.working_on(len(report.rows)):
        scores = score(predictor, report)
    run.notes.scores = write_scores(scores, predictor.class_names, run.folder)
    note_predictor(run.notes, predictor)


def score(predictor: Predictor, report: TableReport) -> dict[str, Tensor]:
    """Scores of a model on whole chips; every labelled pixel counts once."""
    settings = predictor.settings
    classes, ignored = settings.model.num_classes, settings.train.ignore_index
    metrics = SegmentationMetrics(classes, ignored, sync=False, device=predictor.device)
    data = WholeChips(chip_source(settings, report, once=True))
    loader = scoring_loader(data, settings.train.batch_size, settings.dataloader.num_workers)
    for samples in track(loader, "scoring", len(loader)):
        for sample, values in zip(samples, predictor.logits(samples), strict=True):
            if sample.label is not None:
                unseen = ~predictor.observed(sample.valid)
                label = sample.label.masked_fill(unseen, ignored)
                metrics.update(values, label.to(predictor.device))
    return metrics.compute()


def write_scores(scores: dict[str, Tensor], names: Sequence[str], folder: Path) -> dict[str, float]:
    """Show scores as a table, and write them as JSON, CSV and a confusion matrix PNG; gives those over all classes."""
    content = summary(scores, names)
    (folder / "metrics.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    lines = score_lines(scores, names)
    with open(folder / "metrics.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    confusion_figure(scores["confusion_matrix"].tolist(), names, folder / "confusion_matrix.png")
    _show(lines, f"accuracy {scores['accuracy']:.4f}, mIoU {scores['mIoU']:.4f}")
    log.info("scores: %s, metrics.csv, confusion_matrix.png", folder / "metrics.json")
    return {name: value for name, value in content.items() if isinstance(value, float)}


def score_lines(scores: Mapping[str, Tensor], names: Sequence[str]) -> list[dict[str, object]]:
    """One line per class and one for the mean over classes; no value where a class has no score."""
    lines: list[dict[str, object]] = []
    for position, name in enumerate(names):
        values = {column: scores[f"{column}_per_class"][position].item() for column in SHOWN}
        pixels = int(scores["support_per_class"][position])
        lines.append({"class": name, "pixels": pixels, **{key: _round(value) for key, value in values.items()}})
    means = {column: _round(scores["mIoU" if column == "iou" else column].item()) for column in SHOWN}
    pixels = int(scores["support_per_class"].sum())
    return [*lines, {"class": "mean", "pixels": pixels, **means}]


def _round(value: float) -> float | None:
    return None if value != value else round(value, 6)


def _show(lines: Sequence[Mapping[str, object]], title: str) -> None:
    table = Table(title=title)
    for column in lines[0]:
        table.add_column(column, justify="left" if column == "class" else "right")
    for number, line in enumerate(lines):
        if number == len(lines) - 1:
            table.add_section()
        table.add_row(
            *(
                f"{value:.4f}" if isinstance(value, float) else str("–" if value is None else value)
                for value in line.values()
            )
        )
    Console().print(table)
