"""What stands next to a map: its legend, a scale bar and a north arrow."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.colors import NO_DATA_COLOR, Color
from instageo.model.quicklooks.fonts import find_families
from instageo.model.quicklooks.sheet import Sheet, one_line, shorten, text_width
from instageo.raster.map_products.map_areas import ClassArea, ClassAreas

TEXT, SMALL = 9.0, 7.5
"""Sizes of letters, points."""

ROW = 0.23
"""Height of an entry of the legend, inches."""

SWATCH = 0.26
"""Width of a field of colour, inches."""

GAP = 0.1
"""Distance between the parts of an entry, inches."""

MAX_NAME = 2.2
"""Longest name of a class, inches; longer ones are cut off."""

MAX_CLASSES = 24
"""Classes in the legend, those of the largest areas."""

INK, FAINT = "0.15", "0.45"


@dataclass(frozen=True)
class LegendEntry:
    """One row of a legend.

    Attributes:
        color: Its field; None for none.
        name: What it stands for.
        amounts: Share and area, as text.
    """

    color: Color | None
    name: str
    amounts: tuple[str, ...] = ()


def class_entries(areas: ClassAreas, colors: Mapping[int, Color]) -> list[LegendEntry]:
    """Return the entries of the classes that occur, and of no-data."""
    found = [area for area in areas.classes if area.pixels]
    shown = sorted(sorted(found, key=lambda area: -area.share)[:MAX_CLASSES], key=lambda area: area.number)
    entries = [
        LegendEntry(colors[area.number], _drawable_name(area), _amounts(area.share, area.hectares)) for area in shown
    ]
    hidden = [area for area in found if area not in shown]
    if hidden:
        hectares = None if areas.hectares is None else sum(area.hectares or 0 for area in hidden)
        amounts = _amounts(sum(area.share for area in hidden), hectares)
        entries.append(LegendEntry(None, f"{len(hidden)} further", amounts))
    if areas.no_data_pixels:
        entries.append(LegendEntry(NO_DATA_COLOR, "no data"))
    return entries


def entry_widths(entries: list[LegendEntry]) -> list[float]:
    """Return the widths of the columns of a legend: names, shares, areas."""
    columns = max((len(entry.amounts) for entry in entries), default=0)
    names = max((text_width(entry.name, TEXT) for entry in entries), default=0.0)
    amounts = [
        max(text_width(entry.amounts[column], TEXT) for entry in entries if len(entry.amounts) > column)
        for column in range(columns)
    ]
    return [names, *amounts]


def legend_width(widths: list[float]) -> float:
    """Return the width of a legend of these columns."""
    return SWATCH + sum(GAP + width for width in widths)


def draw_entry(sheet: Sheet, x: float, y: float, entry: LegendEntry, widths: list[float]) -> None:
    """Draw an entry with its upper left corner at (x, y)."""
    middle = y + ROW / 2
    if entry.color is not None:
        color = tuple(part / 255 for part in entry.color)
        sheet.rectangle(x, middle - 0.075, SWATCH, 0.15, facecolor=color, edgecolor="0.4", linewidth=0.5)
    x += SWATCH + GAP
    sheet.text(x, middle, entry.name, TEXT, color=INK)
    x += widths[0]
    for amount, width in zip(entry.amounts, widths[1:], strict=False):
        x += GAP + width
        sheet.text(x, middle, amount, TEXT, color=FAINT, ha="right")


def format_hectares(hectares: float) -> str:
    """Return an area as text: square metres, hectares or square kilometres.

    Examples:
        >>> format_hectares(0.0009), format_hectares(3.14159), format_hectares(1234567)
        ('9 m²', '3.14 ha', '12,346 km²')
    """
    if hectares >= 1e5:
        return f"{hectares / 100:,.0f} km²"
    if 0 < hectares < 0.01:
        return f"{hectares * 1e4:.3g} m²"
    return f"{hectares:,.0f} ha" if hectares >= 100 else f"{hectares:.3g} ha"


def nice_length(longest: float) -> float:
    """Return the longest length of 1, 2 or 5 times a power of ten that is not above a limit.

    Examples:
        >>> nice_length(730), nice_length(0.3)
        (500, 0.2)
    """
    power = 10.0 ** math.floor(math.log10(longest))
    factor = max(factor for factor in (1, 2, 5) if factor * power <= longest * (1 + 1e-9))
    length = factor * power
    return round(length) if length >= 1 else float(f"{length:.1g}")


def draw_scale_bar(sheet: Sheet, x: float, y: float, metres_per_inch: float, longest: float) -> None:
    """Draw a bar of a round length, at most that many inches, from its upper left corner (x, y); 0.35 inches high."""
    metres = nice_length(metres_per_inch * longest)
    width = metres / metres_per_inch
    half = width / 2
    sheet.rectangle(x, y, half, 0.07, facecolor=INK, edgecolor=INK, linewidth=0.6)
    sheet.rectangle(x + half, y, half, 0.07, facecolor="white", edgecolor=INK, linewidth=0.6)
    label = f"{metres / 1000:,g} km" if metres >= 1000 else f"{metres:g} m"
    sheet.text(x, y + 0.19, f"{label}", SMALL, color=INK)


def draw_north_arrow(sheet: Sheet, x: float, y: float, direction: NDArray[np.float64]) -> None:
    """Draw an arrow around (x, y), 0.6 inches wide and high; `direction` is right and down on the sheet."""
    forward = direction / np.hypot(*direction)
    side = np.array([-forward[1], forward[0]])
    center = np.array([x, y]) - 0.06 * forward
    tip, tail = center + 0.2 * forward, center - 0.2 * forward
    notch = center - 0.1 * forward
    for sign, face in ((1, INK), (-1, "white")):
        corners = np.array([tip, tail + sign * 0.12 * side, notch])
        sheet.axes.fill(*corners.T, facecolor=face, edgecolor=INK, linewidth=0.7)
    label_x, label_y = tip + 0.1 * forward
    sheet.text(label_x, label_y, "N", TEXT, color=INK, ha="center", weight="bold")


def _drawable_name(area: ClassArea) -> str:
    """Return the name of a class; its number if this machine has no font for the name."""
    name = one_line(area.name)
    drawable = name if name and find_families(name) else f"class {area.number}"
    return shorten(drawable, TEXT, MAX_NAME)


def _amounts(share: float, hectares: float | None) -> tuple[str, ...]:
    percent = f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"
    return (percent,) if hectares is None else (percent, format_hectares(hectares))
