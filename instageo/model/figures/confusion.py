"""Draw a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from instageo.model.figures.canvas import new_figure, save_figure

MAX_LABELLED = 20
"""Most classes whose cells have numbers; with more, these do not fit, and not every class gets a tick label."""


def draw_confusion(confusion: Sequence[Sequence[int]], names: Sequence[str], path: Path) -> None:
    """Draw a confusion matrix with a row per true class, as shares of each row with pixel counts below.

    Args:
        confusion: Pixel counts by true class, then by predicted class.
        names: Names of the classes.
        path: The PNG.
    """
    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labelled = len(names) <= MAX_LABELLED
    side = max(4.0, 1.0 + 0.75 * len(names)) if labelled else 16.0
    step = 1 if labelled else -(-len(names) // 100)
    figure = new_figure(side + 1.2, side)
    panel = figure.subplots()
    image = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks, size = range(0, len(names), step), None if labelled else 7
    panel.set_xticks(
        ticks, names[::step], rotation=45 if labelled else 90, ha="right" if labelled else "center", size=size
    )
    panel.set_yticks(ticks, names[::step], size=size)
    panel.set(xlabel="predicted", ylabel="true")
    if labelled:
        for (row, column), share in np.ndenumerate(shares):
            text = f"{share:.2f}\n{_abbreviate(float(counts[row, column]))}" if counts[row].any() else "–"
            color = "white" if share > 0.6 else "black"
            panel.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(image, label="share of the true class")
    save_figure(figure, path, dpi=120)


def _abbreviate(count: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.1f}{unit}"
    return f"{count:.0f}"
