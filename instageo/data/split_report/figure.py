"""`split.png`: a map of the parts, and their shares of each class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from instageo.data.split_report.facts import Division
from instageo.files import atomic_path
from instageo.geodesy.circles import Floats

COLORS = ("#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7")
"""Colours of the parts, which colour-blind readers can distinguish."""

DROPPED_COLOR = "#bbbbbb"

MOST_POINTS = 5_000
"""Chips drawn of each part."""

MOST_CLASSES = 16
"""Classes with bars; the others are left out."""

MOST_LETTERS = 14
"""Letters of a class's name."""


def draw_split(path: Path, division: Division, classes: Mapping[str, Mapping[str, float]]) -> None:
    """Draw the parts of a split.

    Args:
        path: PNG to write.
        division: The parts.
        classes: Fraction of each class by part; empty if classes are unknown.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    has_map = bool(division.footprints.located.any())
    panels = [draw for draw, is_shown in ((_draw_map, has_map), (_draw_rows, True)) if is_shown]
    figure = Figure(figsize=(6.4 * (len(panels) + bool(classes)), 4.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels) + bool(classes), squeeze=False)[0]
    for axis, draw in zip(axes, panels, strict=False):
        draw(axis, division)
    if classes:
        _draw_classes(axes[-1], classes)
    _draw_legend(figure, division)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def _draw_map(axis: Any, division: Division) -> None:
    lonlat = _continuous(division.footprints.circles.lonlat, division.footprints.located)
    middle = float(np.radians(np.median(lonlat[division.footprints.located, 1])))
    for number in range(-1, len(division.parts)):
        rows = np.flatnonzero((division.part == number) & division.footprints.located)
        if not len(rows):
            continue
        shown = rows[:: -(-len(rows) // MOST_POINTS)]
        size = float(np.clip(20_000 / max(len(division.part), 1), 2, 30))
        axis.plot(*lonlat[shown].T, "o", markersize=size**0.5, color=_color(number), markeredgewidth=0)
    axis.set(xlabel="longitude", ylabel="latitude", title="Chips")
    axis.set_aspect(1 / max(np.cos(middle), 0.1), adjustable="box")
    axis.ticklabel_format(useOffset=False)


def _draw_rows(axis: Any, division: Division) -> None:
    counts = [int((division.part == number).sum()) for number in range(len(division.parts))]
    names, colors = list(division.parts), [_color(number) for number in range(len(division.parts))]
    if dropped := int((division.part < 0).sum()):
        names, counts, colors = [*names, "dropped"], [*counts, dropped], [*colors, DROPPED_COLOR]
    bars = axis.bar(names, counts, color=colors)
    axis.bar_label(bars, [f"{count / sum(counts):.1%}" for count in counts])
    axis.set(title="Rows", ylabel="chips")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.margins(y=0.1)


def _draw_legend(figure: Any, division: Division) -> None:
    """Name the colours below all panels, where they cover nothing."""
    from matplotlib.patches import Patch

    names = dict(enumerate(division.parts))
    names |= {-1: "dropped"} if (division.part < 0).any() else {}
    patches = [
        Patch(color=_color(number), label=f"{name} ({int((division.part == number).sum()):,})")
        for number, name in names.items()
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)


def _draw_classes(axis: Any, classes: Mapping[str, Mapping[str, float]]) -> None:
    num_classes = len(next(iter(classes.values())))
    names = list(next(iter(classes.values())))[:MOST_CLASSES]
    width = 0.8 / len(classes)
    for number, fractions in enumerate(classes.values()):
        bar_centers = np.arange(len(names)) + (number - (len(classes) - 1) / 2) * width
        axis.bar(bar_centers, [fractions[name] for name in names], width, color=_color(number))
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, names)) > 4 else {}
    axis.set_xticks(
        np.arange(len(names)),
        [name if len(name) <= MOST_LETTERS else f"{name[:MOST_LETTERS]}…" for name in names],
        **turned,
    )
    left_out = f" (the first {MOST_CLASSES} of {num_classes})" if num_classes > MOST_CLASSES else ""
    axis.set(title=f"Share of each class{left_out}", xlabel="class", ylabel="fraction of the part")


def _continuous(lonlat: Floats, located: Any) -> Floats:
    """Return points whose longitudes are shifted by 360 degrees where that makes the map narrower."""
    shifted = lonlat.copy()
    shifted[:, 0] %= 360
    return min((lonlat, shifted), key=lambda points: float(np.ptp(points[located, 0])))


def _color(number: int) -> str:
    return DROPPED_COLOR if number < 0 else COLORS[number % len(COLORS)]
