"""Accuracy over cost: each network a point, with its spread over seeds, as PNG."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instageo.model.runs.label_placement import Box, Pair, place_labels
from instageo.model.runs.rows import ALONE, DISTILLED, TEACHER, PrimaryMetrics, ReportRow
from instageo.model.runs.tables import digits, score_label
from instageo.model.figures.canvas import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS: dict[str, dict[str, Any]] = {
    TEACHER: {"color": "#222222", "marker": "*", "markersize": 15},
    DISTILLED: {"color": "#0072b2", "marker": "o", "markersize": 7},
    ALONE: {"color": "#d55e00", "marker": "s", "markersize": 6.5, "markerfacecolor": "white"},
}
"""By role; colours that colour-blind readers tell apart, and markers for print in grey."""

LEGEND = {TEACHER: "teacher", DISTILLED: "student, distilled", ALONE: "student, trained alone"}

MARGIN = 1.7
"""Factor by which the axis of costs goes on beyond the first and the last network."""


@dataclass(frozen=True)
class Point:
    """A network in the figure.

    Attributes:
        text: What stands beside it.
        role: See `Row`.
        gflops: Of one chip.
        mean: Main score.
        std: Its standard deviation over seeds; None of a single run.
        values: Main score of each seed.
    """

    text: str
    role: str
    gflops: float
    mean: float
    std: float | None
    values: tuple[float, ...]


def figure_points(rows: Sequence[ReportRow], headline: PrimaryMetrics) -> list[Point]:
    """The rows that have a main score; a student's text leaves out how it was trained, which its colour tells."""
    points = []
    for row in rows:
        spread = row.scores[headline.main]
        if spread is not None:
            name = row.name.removesuffix(f", {row.role}")
            text = f"{name}\n{digits(row.parameters / 1e6)} M, {digits(row.file_bytes / 1e6)} MB"
            points.append(Point(text, row.role, row.flops / 1e9, spread.mean, spread.std, spread.values))
    return points


def cost_figure(points: Sequence[Point], headline: PrimaryMetrics, chip: str, path: Path) -> None:
    """Draw at least one point; the teacher's score goes on as a dashed line.

    Args:
        points: See `points_of`.
        headline: What the score is.
        chip: On what chips operations are counted, for the axis.
        path: Where to.
    """
    figure = new_figure(6.8, 4.8)
    panel = figure.subplots()
    points = spread_equal_points(points)
    _draw_pairs(panel, points)
    for role in LOOKS:
        _draw_role(panel, role, [point for point in points if point.role == role])
    better = "higher" if headline.better == "max" else "lower"
    panel.set(
        xscale="log", xlabel=f"GFLOPs of one chip ({chip})", ylabel=f"{score_label(headline.main)} ({better} is better)"
    )
    _fit_axes(panel, points)
    title = "beside each network: parameters and size of its file"
    if any(point.std is not None for point in points):
        title = f"mean ± standard deviation over seeds; faint dots: single seeds\n{title}"
    legend = figure.legend(
        loc="outside upper center", ncols=len(LOOKS), frameon=False, fontsize=9, title=title, title_fontsize=8
    )
    legend.get_title().set_multialignment("center")
    figure.canvas.draw()  # only now is it known where in the picture the points lie
    _write_labels(panel, points)
    figure.savefig(path, dpi=200)


def spread_equal_points(points: Sequence[Point]) -> list[Point]:
    """Points of equal cost moved apart by a hundredth of the axis each, so that their error bars do not coincide."""
    costs = [point.gflops for point in points]
    step = (MARGIN**2 * max(costs) / min(costs)) ** 0.012
    moved = []
    for number, point in enumerate(points):
        before, equal = costs[:number].count(point.gflops), costs.count(point.gflops)
        moved.append(replace(point, gflops=point.gflops * step ** (2 * before - equal + 1)))
    return moved


def _draw_role(panel: "Axes", role: str, points: Sequence[Point]) -> None:
    """Networks of one role: joined in the order of cost, with error bars and single seeds."""
    if not points:
        return
    look = LOOKS[role]
    ordered = sorted(points, key=lambda point: point.gflops)
    costs, means = [point.gflops for point in ordered], [point.mean for point in ordered]
    if role == TEACHER:
        panel.axhline(means[0], color=look["color"], linewidth=1, linestyle=(0, (5, 4)), alpha=0.6, zorder=1)
    panel.plot(costs, means, color=look["color"], linewidth=1, alpha=0.35, zorder=1)
    spread = [np.nan if point.std is None else point.std for point in ordered]
    known = None if np.isnan(spread).all() else spread
    panel.errorbar(
        costs, means, yerr=known, linestyle="none", capsize=3, elinewidth=1.2, label=LEGEND[role], zorder=3, **look
    )
    for point in ordered:
        if len(point.values) > 1:
            across = [point.gflops] * len(point.values)
            panel.plot(
                across, point.values, ".", color=look["color"], alpha=0.35, markersize=7, markeredgewidth=0, zorder=2
            )


def _draw_pairs(panel: "Axes", points: Sequence[Point]) -> None:
    """A thin line between the same network distilled and alone."""
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


def _write_labels(panel: "Axes", points: Sequence[Point]) -> None:
    """Write what stands beside the points, once for the same network distilled and alone."""
    labelled = list({point.text: point for point in reversed(points)}.values())[::-1]
    texts = [panel.text(0, 0, point.text, fontsize=8, ha="left", va="bottom") for point in labelled]
    boxes = [text.get_window_extent() for text in texts]
    at = [_pixel(panel, point.gflops, point.mean) for point in labelled]
    scale = panel.figure.dpi / 72
    placed = place_labels(
        at,
        [(box.width, box.height) for box in boxes],
        _drawn(panel, points, scale),
        Box(*panel.get_window_extent().extents),
        gap=9 * scale,
    )
    to_data = panel.transData.inverted()
    for text, box in zip(texts, placed, strict=True):
        x, y = to_data.transform((box.left, box.bottom))
        text.set_position((float(x), float(y)))
        text.set_in_layout(False)


def _drawn(panel: "Axes", points: Sequence[Point], scale: float) -> list[Box]:
    """What labels should not cover, in pixels: markers, error bars, single seeds, and the lines that join them."""
    boxes = []
    for point in points:
        reach = point.std or 0.0
        low, high = min(point.mean - reach, *point.values), max(point.mean + reach, *point.values)
        (x, bottom), (_, top) = _pixel(panel, point.gflops, low), _pixel(panel, point.gflops, high)
        boxes.append(Box(x - 5 * scale, bottom - 5 * scale, x + 5 * scale, top + 5 * scale))
    for line in panel.lines:
        if line.get_linestyle() in ("-", ":", "--"):
            boxes += _along(line.get_transform().transform(line.get_xydata()), scale)
    return boxes


def _along(ends: np.ndarray, width: float) -> list[Box]:
    """Small boxes along lines from point to point, (N, 2)."""
    boxes = []
    for (x, y), (to_x, to_y) in pairwise(ends):
        count = int(np.hypot(to_x - x, to_y - y) / width) + 1
        for share in np.linspace(0, 1, count + 1):
            middle_x, middle_y = x + share * (to_x - x), y + share * (to_y - y)
            boxes.append(Box(middle_x - width, middle_y - width, middle_x + width, middle_y + width))
    return boxes


def _pixel(panel: "Axes", x: float, y: float) -> Pair:
    across, up = panel.transData.transform((x, y))
    return float(across), float(up)
