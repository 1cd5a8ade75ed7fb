"""Draw a density plot of a regression: counts by truth and prediction, with the scores on it."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.canvas import new_figure, save_figure
from instageo.model.metrics.density import Density

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]

LINE = "#d62728"
"""Colour of the 1:1 line and the band, visible on white and on all colours of cells."""


def draw_density(
    density: Density,
    scores: Mapping[str, float | None],
    path: Path,
    *,
    unit: str | None = None,
    expected_error: tuple[float, float] | None = None,
    name: str = "",
    counted: str = "pixels",
) -> None:
    """Draw the counts in logarithmic colours, the 1:1 line, the scores and, if given, the expected error.

    Args:
        density: Counts by truth and prediction.
        scores: `count`, `rmse`, `mae`, `bias`, `r2`, `pearson` and, optionally, `expected_error`; None or NaN
            if undefined.
        path: The PNG.
        unit: Unit of truth and prediction.
        expected_error: Coefficients (a, b) of the band of a + b |truth| around the 1:1 line; None draws none.
        name: Title.
        counted: Unit of the counts.
    """
    figure = new_figure(6.6, 5.8)
    panel = figure.subplots()
    draw_density_panel(panel, density, scores, unit, expected_error, counted)
    panel.set_title(name)
    if density.num_outside:
        low, high = density.range.low, density.range.high
        note = f"{density.num_outside:,} {counted} outside of {low:.4g} to {high:.4g} lie at the border"
        figure.supxlabel(note, fontsize=8)
    save_figure(figure, path, dpi=150)


def draw_density_panel(
    panel: "Axes",
    density: Density,
    scores: Mapping[str, float | None],
    unit: str | None,
    expected_error: tuple[float, float] | None,
    counted: str = "pixels",
) -> None:
    """Draw the content of `draw_density` into one panel."""
    counts, edges = merge_cells(density)
    _draw_counts(panel, counts, edges, counted)
    ends = np.linspace(edges[0], edges[-1], 201)
    panel.plot(ends, ends, color=LINE, linewidth=1.2, label="1:1")
    if expected_error:
        allowed = expected_error[0] + expected_error[1] * np.abs(ends)
        label = f"±({expected_error[0]:g} + {expected_error[1]:g} · |truth|)"
        panel.plot(ends, ends + allowed, color=LINE, linewidth=1.2, linestyle="--", label=label)
        panel.plot(ends, ends - allowed, color=LINE, linewidth=1.2, linestyle="--")
    limits, in_unit = (edges[0], edges[-1]), f" ({unit})" if unit else ""
    panel.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"truth{in_unit}", ylabel=f"prediction{in_unit}")
    panel.grid(alpha=0.3)
    _write_scores(
        panel, format_scores(scores, unit), upper_left=_count_upper_left(counts) <= _count_upper_left(counts.T)
    )


def format_scores(scores: Mapping[str, float | None], unit: str | None = None) -> list[str]:
    """Return the scores as lines of text for the figure."""
    in_unit = f" {unit}" if unit else ""
    lines = [f"n = {scores['count'] or 0:,.0f}"]
    lines += [
        f"{label} = {_number(scores[key])}{in_unit}"
        for key, label in {"rmse": "RMSE", "mae": "MAE", "bias": "bias"}.items()
    ]
    lines += [f"{label} = {_number(scores[key], '.3f')}" for key, label in {"r2": "R²", "pearson": "Pearson r"}.items()]
    share = scores.get("expected_error")
    return [*lines, f"within expected error: {_number(share, '.1%')}"] if "expected_error" in scores else lines


def _number(value: float | None, form: str = ".4g") -> str:
    return "–" if value is None or math.isnan(value) else format(value, form).replace("-", "−")


def merge_cells(density: Density) -> tuple[Counts, Numbers]:
    """Return the part of the grid that has counts, in fewer cells if there are few counts.

    Returns:
        Counts of shape (N, N), by truth and prediction, empty at the border, and their edges, shape (N + 1,).
    """
    counts, low, bins = density.counts, density.range.low, density.range.bins
    step = (density.range.high - low) / bins
    if not counts.any():
        return np.zeros((1, 1), np.int64), np.array([low, density.range.high])
    occupied = np.flatnonzero(counts.any(0) | counts.any(1))
    first, last = int(occupied[0]), int(occupied[-1]) + 1
    sides = min(max(2 * math.sqrt(int(counts.sum())), 24), 256)
    merged = math.ceil((last - first) / sides)
    cells = math.ceil((last - first) / merged) + 2
    padded = np.zeros((cells * merged, cells * merged), np.int64)
    inside = slice(merged, merged + last - first)
    padded[inside, inside] = counts[first:last, first:last]
    edges = np.arange(first - merged, first + cells * merged, merged, dtype=np.float64) * step + low
    merged_counts: Counts = padded.reshape(cells, merged, cells, merged).sum((1, 3))
    return merged_counts, edges


def _draw_counts(panel: "Axes", counts: Counts, edges: Numbers, counted: str) -> None:
    from matplotlib.colors import LogNorm

    highest = max(int(counts.max()), 10)
    nonzero = np.ma.masked_equal(counts.T, 0)
    mesh = panel.pcolormesh(edges, edges, nonzero, norm=LogNorm(1, highest), cmap="viridis", rasterized=True)
    panel.figure.colorbar(mesh, ax=panel, label=f"{counted} in a cell", shrink=0.8)


def _count_upper_left(counts: Counts) -> int:
    """Return the counts in the corner of low truth and high prediction."""
    side = len(counts)
    return int(counts[: 2 * side // 5, 3 * side // 5 :].sum())


def _write_scores(panel: "Axes", lines: list[str], upper_left: bool) -> None:
    """Write the scores in one corner and the legend in the opposite one."""
    box_style = {"facecolor": "white", "edgecolor": "0.8", "alpha": 0.85, "boxstyle": "round,pad=0.4"}
    x, y, across, up = (0.03, 0.97, "left", "top") if upper_left else (0.97, 0.03, "right", "bottom")
    panel.text(
        x, y, "\n".join(lines), transform=panel.transAxes, ha=across, va=up, ma="left", fontsize=9, bbox=box_style
    )
    panel.legend(loc="lower right" if upper_left else "upper left", fontsize=9)
