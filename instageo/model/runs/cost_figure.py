"""Draw scores over cost: each network a point, with its spread over seeds, as PNG."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instageo.model.figures.canvas import new_figure, save_figure
from instageo.model.runs.label_placement import Box, Pair, place_labels
from instageo.model.runs.rows import ALONE, DISTILLED, TEACHER, PrimaryMetrics, ReportRow
from instageo.model.runs.tables import format_digits, score_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES: dict[str, dict[str, Any]] = {
    TEACHER: {"color": "#222222", "marker": "*", "markersize": 15},
    DISTILLED: {"color": "#0072b2", "marker": "o", "markersize": 7},
    ALONE: {"color": "#d55e00", "marker": "s", "markersize": 6.5, "markerfacecolor": "white"},
}
"""Markers by role, in colours that colour-blind readers can distinguish and shapes for print in grey."""

LEGEND = {TEACHER: "teacher", DISTILLED: "student, distilled", ALONE: "student, trained alone"}

MARGIN = 1.7
"""Factor by which the cost axis extends beyond the first and the last network."""


@dataclass(frozen=True)
class Point:
    """A network in the figure.

    Attributes:
        text: Its label.
        role: See `ReportRow`.
        gflops: Operations of one chip.
        mean: Main score.
        std: Its standard deviation over seeds; None for a single run.
        values: Main score of each seed.
    """

    text: str
    role: str
    gflops: float
    mean: float
    std: float | None
    values: tuple[float, ...]


def figure_points(rows: Sequence[ReportRow], metrics: PrimaryMetrics) -> list[Point]:
    """Return a point for each row with a main score; a student's role is left out of its label, its colour shows it."""
    points = []
    for row in rows:
        spread = row.scores[metrics.main]
        if spread is not None:
            name = row.name.removesuffix(f", {row.role}")
            text = f"{name}\n{format_digits(row.parameters / 1e6)} M, {format_digits(row.file_bytes / 1e6)} MB"
            points.append(Point(text, row.role, row.flops / 1e9, spread.mean, spread.std, spread.values))
    return points


def draw_cost_figure(points: Sequence[Point], metrics: PrimaryMetrics, chip: str, path: Path) -> None:
    """Draw at least one point; the teacher's score is continued as a dashed line.

    Args:
        points: See `figure_points`.
        metrics: The scores; the main one is drawn.
        chip: The chips whose operations are counted, in words.
        path: The PNG.
    """
    figure = new_figure(6.8, 4.8)
    panel = figure.subplots()
    points = spread_equal_points(points)
    _draw_pairs(panel, points)
    for role in STYLES:
        _draw_role(panel, role, [point for point in points if point.role == role])
    better = "higher" if metrics.better == "max" else "lower"
    panel.set(
        xscale="log", xlabel=f"GFLOPs of one chip ({chip})", ylabel=f"{score_label(metrics.main)} ({better} is better)"
    )
    _fit_axes(panel, points)
    title = "next to each network: parameters and size of its file"
    if any(point.std is not None for point in points):
        title = f"mean ± standard deviation over seeds; faint dots: single seeds\n{title}"
    legend = figure.legend(
        loc="outside upper center", ncols=len(STYLES), frameon=False, fontsize=9, title=title, title_fontsize=8
    )
    legend.get_title().set_multialignment("center")
    figure.canvas.draw()  # places the panel, so that pixel positions of the points can be computed
    _draw_labels(panel, points)
    save_figure(figure, path, dpi=200)


def spread_equal_points(points: Sequence[Point]) -> list[Point]:
    """Return points with those of equal cost moved apart by about a hundredth of the axis, for their error bars."""
    costs = [point.gflops for point in points]
    step = (MARGIN**2 * max(costs) / min(costs)) ** 0.012
    moved = []
    for number, point in enumerate(points):
        before, equal = costs[:number].count(point.gflops), costs.count(point.gflops)
        moved.append(replace(point, gflops=point.gflops * step ** (2 * before - equal + 1)))
    return moved


def _draw_role(panel: "Axes", role: str, points: Sequence[Point]) -> None:
    """Draw the networks of one role, joined in the order of cost, with error bars and single seeds."""
    if not points:
        return
    style = STYLES[role]
    ordered = sorted(points, key=lambda point: point.gflops)
    costs, means = [point.gflops for point in ordered], [point.mean for point in ordered]
    if role == TEACHER:
        panel.axhline(means[0], color=style["color"], linewidth=1, linestyle=(0, (5, 4)), alpha=0.6, zorder=1)
    panel.plot(costs, means, color=style["color"], linewidth=1, alpha=0.35, zorder=1)
    deviations = [np.nan if point.std is None else point.std for point in ordered]
    panel.errorbar(
        costs, means, yerr=None if np.isnan(deviations).all() else deviations, linestyle="none", capsize=3,
        elinewidth=1.2, label=LEGEND[role], zorder=3, **style,
    )  # fmt: skip
    for point in ordered:
        if len(point.values) > 1:
            panel.plot(
                [point.gflops] * len(point.values), point.values, ".", color=style["color"], alpha=0.35, markersize=7,
                markeredgewidth=0, zorder=2,
            )  # fmt: skip


def _draw_pairs(panel: "Axes", points: Sequence[Point]) -> None:
    """Draw a thin line between the same network distilled and trained alone."""
    for point in points:
        for other in points:
            if (point.text, point.role, other.role) == (other.text, DISTILLED, ALONE):
                ends = [point.gflops, other.gflops], [point.mean, other.mean]
                panel.plot(*ends, color="0.5", linewidth=0.8, linestyle=":", zorder=1)


def _fit_axes(panel: "Axes", points: Sequence[Point]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    costs = [point.gflops for point in points]
    panel.set_xlim(min(costs) / MARGIN, max(costs) * MARGIN)
    panel.xaxis.set_major_locator(
        LogLocator(subs=(1, 2, 5) if max(costs) > 10 * min(costs) else (1, 1.5, 2, 3, 4, 5, 7))
    )
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.margins(y=0.18)
    panel.grid(alpha=0.25)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _draw_labels(panel: "Axes", points: Sequence[Point]) -> None:
    """Draw the labels of the points, one for the same network distilled and trained alone."""
    labelled = list({point.text: point for point in reversed(points)}.values())[::-1]
    texts = [panel.text(0, 0, point.text, fontsize=8, ha="left", va="bottom") for point in labelled]
    extents = [text.get_window_extent() for text in texts]
    scale = panel.figure.dpi / 72
    placed = place_labels(
        [_to_pixels(panel, point.gflops, point.mean) for point in labelled],
        [(extent.width, extent.height) for extent in extents],
        _obstacles(panel, points, scale),
        Box(*panel.get_window_extent().extents),
        gap=9 * scale,
    )
    to_data = panel.transData.inverted()
    for text, box in zip(texts, placed, strict=True):
        x, y = to_data.transform((box.left, box.bottom))
        text.set_position((float(x), float(y)))
        text.set_in_layout(False)


def _obstacles(panel: "Axes", points: Sequence[Point], scale: float) -> list[Box]:
    """Return boxes, in pixels, of markers, error bars, single seeds, and the lines that join them."""
    boxes = []
    for point in points:
        deviation = point.std or 0.0
        low, high = min(point.mean - deviation, *point.values), max(point.mean + deviation, *point.values)
        (x, bottom), (_, top) = _to_pixels(panel, point.gflops, low), _to_pixels(panel, point.gflops, high)
        boxes.append(Box(x - 5 * scale, bottom - 5 * scale, x + 5 * scale, top + 5 * scale))
    for line in panel.lines:
        if line.get_linestyle() in ("-", ":", "--"):
            boxes += _line_boxes(line.get_transform().transform(line.get_xydata()), scale)
    return boxes


def _line_boxes(vertices: np.ndarray, width: float) -> list[Box]:
    """Return small boxes along a polyline, (N, 2)."""
    boxes = []
    for (x0, y0), (x1, y1) in pairwise(vertices):
        count = int(np.hypot(x1 - x0, y1 - y0) / width) + 1
        for share in np.linspace(0, 1, count + 1):
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            boxes.append(Box(x - width, y - width, x + width, y + width))
    return boxes


def _to_pixels(panel: "Axes", x: float, y: float) -> Pair:
    pixel_x, pixel_y = panel.transData.transform((x, y))
    return float(pixel_x), float(pixel_y)
