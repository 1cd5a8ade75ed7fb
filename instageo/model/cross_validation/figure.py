"""Draw the scores by fold, and those of each class, as PNG."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instageo.model.cross_validation.scores import CvScores, ScoreSummary
from instageo.model.cross_validation.tables import class_label
from instageo.model.figures.canvas import new_figure, save_figure
from instageo.model.runs.rows import PrimaryMetrics
from instageo.model.runs.tables import score_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLD, MEAN, POOLED = "#0072b2", "#222222", "#d55e00"
"""Colours that colour-blind readers can distinguish."""

MAX_CLASSES = 30
"""Most classes with a row of their own."""

MAX_LETTERS = 26
"""Letters of a line of a name; longer names have several lines."""


def draw_folds(scores: CvScores, metrics: PrimaryMetrics, path: Path) -> None:
    """Draw the main score of each fold, and the IoU of each class if there are classes.

    Args:
        scores: Scores of all folds.
        metrics: The primary metrics; the main one is drawn.
        path: The PNG.
    """
    classes = scores.per_class if 0 < len(scores.per_class) <= MAX_CLASSES else {}
    height = max(2.6, 1.5 + 0.32 * max(len(scores.folds), len(classes)))
    figure = new_figure(11 if classes else 6, height)
    panels = figure.subplots(1, 2 if classes else 1, squeeze=False)[0]
    _draw_main_score(panels[0], scores, metrics)
    if classes:
        _draw_classes(panels[1], classes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize=9)
    save_figure(figure, path, dpi=150)


def _draw_main_score(panel: "Axes", scores: CvScores, metrics: PrimaryMetrics) -> None:
    """Draw a row per fold: its mean, and single seeds as faint dots; the mean of folds is a line with a band."""
    summary = scores.summaries[metrics.main]
    if summary.folds is not None:
        mean, std = summary.folds.mean, summary.folds.std or 0.0
        panel.axvspan(mean - std, mean + std, color=MEAN, alpha=0.1, linewidth=0, label="± deviation over folds")
        panel.axvline(mean, color=MEAN, linewidth=1.2, label="mean of folds")
    if summary.pooled is not None:
        panel.axvline(summary.pooled.mean, color=POOLED, linewidth=1.2, linestyle="--", label="all test chips pooled")
    _draw_points(panel, summary, several_seeds=len(scores.seeds) > 1)
    better = "higher" if metrics.better == "max" else "lower"
    _finish(panel, scores.folds, f"{score_label(metrics.main)} on the test chips of the fold ({better} is better)")


def _draw_points(panel: "Axes", summary: ScoreSummary, *, several_seeds: bool) -> None:
    for row, spread in enumerate(summary.by_fold):
        if spread is None:
            continue
        panel.plot(spread.mean, row, "o", color=FOLD, markersize=7, zorder=3, label=None if row else "fold")
        if several_seeds:
            rows, label = [row] * len(spread.values), None if row else "single seeds"
            panel.plot(spread.values, rows, ".", color=FOLD, alpha=0.4, markersize=6, zorder=2, label=label)


def _draw_classes(panel: "Axes", classes: Mapping[str, Mapping[str, ScoreSummary]]) -> None:
    """Draw a row per class: the IoU of each fold as a dot, their mean as a line, that of all chips as another."""
    name = next(iter(next(iter(classes.values()))))
    for row, summaries in enumerate(classes.values()):
        summary = summaries[name]
        values = [spread.mean for spread in summary.by_fold if spread is not None]
        panel.plot(values, [row] * len(values), "o", color=FOLD, alpha=0.55, markersize=5, zorder=2)
        for spread, color, size in ((summary.folds, MEAN, 18), (summary.pooled, POOLED, 10)):
            if spread is not None:
                panel.plot(spread.mean, row, "|", color=color, markersize=size, markeredgewidth=2, zorder=3)
    _finish(panel, list(classes), f"{class_label(name)} of the class in each fold")


def _finish(panel: "Axes", names: Sequence[str], label: str) -> None:
    """Name the rows, the first on top, and the axis."""
    panel.set_yticks(range(len(names)), [textwrap.fill(name, MAX_LETTERS) for name in names], fontsize=9)
    panel.set_ylim(len(names) - 0.5, -0.5)
    panel.set_xlabel(label)
    panel.margins(x=0.08)
    panel.grid(alpha=0.25)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
