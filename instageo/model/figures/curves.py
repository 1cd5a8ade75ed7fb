"""Pictures of a run: learning curve and confusion matrix, as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instageo.model.figures.canvas import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


CURVES: Mapping[str, Sequence[str]] = {
    "loss": ("train_loss", "val_loss"),
    "validation score": (
        "val_mIoU",
        "val_accuracy",
        "val_f1",
        "val_mAP",
        "val_r2",
        "val_pearson",
        "val_expected_error",
    ),
    "validation error, in the unit of the label": ("val_rmse", "val_mae"),
}
"""What the panels of a learning curve show, by label of the axis."""

MIN_SCORE = -0.5
"""Scores below are not drawn: R2 of an untrained network may be any number."""

LOG_SCALE_RATIO = 30
"""Values whose largest is this many times the smallest are drawn in steps of equal ratios."""


def learning_curve(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Losses, validation scores and errors over the epochs, as many as there are in the rows of `history.csv`."""
    held = {name for row in rows for name in row}
    panels = {title: names for title, names in CURVES.items() if title == "loss" or held.intersection(names)}
    figure = new_figure(5 * len(panels), 4)
    for panel, (title, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name in names:
            points = [(row["epoch"], row[name]) for row in rows if name in row]
            if points:
                panel.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
        panel.set(xlabel="epoch", ylabel=title)
        fit_scale(panel, bounded=title == "validation score")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend()
    figure.savefig(path, dpi=120)


def fit_scale(panel: "Axes", bounded: bool) -> None:
    """Keep the first epochs of a regression from flattening the rest."""
    drawn = [value for line in panel.lines for value in np.asarray(line.get_ydata(), dtype=float)]
    finite = [value for value in drawn if np.isfinite(value)] or [1.0]
    low, high = min(finite), max(finite)
    if bounded and low < MIN_SCORE < high:
        panel.set_ylim(MIN_SCORE, 1.05)
    elif not bounded and 0 < LOG_SCALE_RATIO * low < high:
        panel.set_yscale("log")


def range_test_figure(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], best: float, path: Path
) -> None:
    """Loss over the learning rate of a range test, with the suggested rate."""
    figure = new_figure(7, 4)
    panel = figure.subplots()
    panel.plot(rates, losses, color="0.75", linewidth=1, label="loss of a step")
    panel.plot(rates, smoothed, label="mean of neighbouring steps")
    panel.plot(best, smoothed[list(rates).index(best)], "o", color="tab:red", label=f"steepest fall: {best:.3g}")
    low, high = min(smoothed), max(smoothed[0], smoothed[list(rates).index(best)])
    panel.set_ylim(low - 0.2 * (high - low), high + 0.6 * (high - low))  # what diverges leaves the picture
    panel.set(xscale="log", xlabel="learning rate", ylabel="loss")
    panel.grid(alpha=0.3)
    panel.legend()
    figure.savefig(path, dpi=120)
