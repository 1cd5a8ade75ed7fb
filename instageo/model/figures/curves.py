"""Draw learning curves and learning-rate range tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instageo.model.figures.canvas import new_figure, save_figure

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
"""Curves in each panel, by label of its axis."""

MIN_SCORE = -0.5
"""Lower end of the score axis: R2 of an untrained network may be any negative number."""

LOG_SCALE_RATIO = 30
"""Ratio of the largest to the smallest value from which the axis is logarithmic."""


def draw_learning_curve(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Draw losses, validation scores and errors over the epochs, as far as the rows of `history.csv` have them."""
    recorded = {name for row in rows for name in row}
    panels = {title: names for title, names in CURVES.items() if title == "loss" or recorded.intersection(names)}
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
    save_figure(figure, path, dpi=120)


def fit_scale(panel: "Axes", bounded: bool) -> None:
    """Scale the vertical axis so that the first epochs of a regression do not flatten the rest.

    Args:
        panel: With its curves drawn.
        bounded: Whether the values are scores, at most 1, rather than losses or errors.
    """
    values = [value for line in panel.lines for value in np.asarray(line.get_ydata(), dtype=float)]
    finite = [value for value in values if np.isfinite(value)] or [1.0]
    low, high = min(finite), max(finite)
    if bounded and low < MIN_SCORE < high:
        panel.set_ylim(MIN_SCORE, 1.05)
    elif not bounded and 0 < LOG_SCALE_RATIO * low < high:
        panel.set_yscale("log")


def draw_range_test(
    rates: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], best: float, path: Path
) -> None:
    """Draw the loss of a range test over the learning rate, with the suggested rate.

    Args:
        rates: Learning rate of each step.
        losses: Loss of each step.
        smoothed: Mean over neighbouring steps.
        best: The suggested rate, one of `rates`.
        path: The PNG.
    """
    figure = new_figure(7, 4)
    panel = figure.subplots()
    panel.plot(rates, losses, color="0.75", linewidth=1, label="loss of a step")
    panel.plot(rates, smoothed, label="mean of neighbouring steps")
    panel.plot(best, smoothed[list(rates).index(best)], "o", color="tab:red", label=f"steepest fall: {best:.3g}")
    low, high = min(smoothed), max(smoothed[0], smoothed[list(rates).index(best)])
    panel.set_ylim(low - 0.2 * (high - low), high + 0.6 * (high - low))  # a diverging loss runs out of the panel
    panel.set(xscale="log", xlabel="learning rate", ylabel="loss")
    panel.grid(alpha=0.3)
    panel.legend()
    save_figure(figure, path, dpi=120)
