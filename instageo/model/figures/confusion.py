"""Draw a confusion matrix."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instageo.model.figures.canvas import new_figure

if TYPE_CHECKING:
    pass


def confusion_figure(confusion: Sequence[Sequence[int]], names: Sequence[str], path: Path) -> None:
    """Confusion matrix, rows the truth, as shares of each row with pixel counts below."""
    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    written = len(names) <= 20  # more do not fit into their cells, and not all names beside them
    side = max(4.0, 1.0 + 0.75 * len(names)) if written else 16.0
    step = 1 if written else -(-len(names) // 100)
    figure = new_figure(side + 1.2, side)
    panel = figure.subplots()
    picture = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places, size = range(0, len(names), step), None if written else 7
    panel.set_xticks(
        places, names[::step], rotation=45 if written else 90, ha="right" if written else "center", size=size
    )
    panel.set_yticks(places, names[::step], size=size)
    panel.set(xlabel="predicted", ylabel="true")
    if written:
        for (row, column), share in np.ndenumerate(shares):
            text = f"{share:.2f}\n{_short(float(counts[row, column]))}" if counts[row].any() else "–"
            color = "white" if share > 0.6 else "black"
            panel.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(picture, label="share of the true class")
    figure.savefig(path, dpi=120)


def _short(count: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.1f}{unit}"
    return f"{count:.0f}"
