"""Pictures of a run: learning curve and confusion matrix, as PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = (
    (215, 48, 39), (254, 217, 118), (166, 217, 106), (26, 152, 80), (33, 113, 181), (158, 154, 200), (140, 81, 10),
    (253, 174, 97), (199, 21, 133), (127, 205, 187), (120, 120, 120), (255, 127, 0), (8, 48, 107), (188, 189, 34),
)  # fmt: skip
"""Red, green, blue of classes that were given no colour."""


def class_colors(given: Sequence[Sequence[int]] | None, classes: int) -> dict[int, tuple[int, int, int]]:
    """Colour of each class: as given, else from the palette, repeated where it is too short."""
    chosen = given or [PALETTE[number % len(PALETTE)] for number in range(classes)]
    return {number: (int(red), int(green), int(blue)) for number, (red, green, blue) in enumerate(chosen)}


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure that needs no screen; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


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

LEAST_SCORE = -0.5
"""Scores below are not drawn: R2 of an untrained network may be any number."""

WIDE = 30
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
    if bounded and low < LEAST_SCORE < high:
        panel.set_ylim(LEAST_SCORE, 1.05)
    elif not bounded and 0 < WIDE * low < high:
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


def distribution_figure(
    values: Mapping[str, NDArray[np.float32]],
    classes: Mapping[str, int],
    path: Path,
    *,
    counted: str = "labelled pixels",
) -> None:
    """Distribution of each band's values and, where there are classes, the pixels or chips of each.

    Args:
        values: Sampled pixels by band.
        classes: Labelled pixels, or chips, by class; empty without classes.
        path: Where to.
        counted: What is counted of classes; percentages are of all that were.
    """
    figure = new_figure(11 if classes else 7, max(4.0, 0.22 * len(classes)))
    panels = figure.subplots(1, 2 if classes else 1, squeeze=False)[0]
    every = np.concatenate(list(values.values()))
    low, high = (float(edge) for edge in np.percentile(every, [0.1, 99.9]))
    edges = np.linspace(low, high if high > low else low + 1, 101)
    for name, band in values.items():
        panels[0].hist(band, edges, histtype="step", density=True, label=name)
    panels[0].set(xlabel="value, in the unit of mean and std", ylabel="density of valid pixels")
    panels[0].legend(fontsize=8, ncols=1 + len(values) // 8)
    if classes:
        bars = panels[1].barh(list(classes), list(classes.values()))
        total = max(sum(classes.values()), 1)
        panels[1].bar_label(bars, [f"{count / total:.1%}" for count in classes.values()], fontsize=8, padding=2)
        panels[1].set(xlabel=counted)
        panels[1].margins(x=0.15)
        panels[1].invert_yaxis()
    figure.savefig(path, dpi=120)


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
