"""A picture of an area on a sheet: title, graticule, outline, legend, scale bar and north arrow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.area_maps.pictures.graticule import graticule
from instageo.area_maps.pictures.layers import AreaCanvas
from instageo.area_maps.pictures.outlines import rings_of
from instageo.model.quicklooks.fonts import find_families
from instageo.model.quicklooks.map_keys import ClassKey, ValueKey
from instageo.model.quicklooks.map_legend import FAINT, INK, SMALL, draw_north_arrow, draw_scale_bar
from instageo.model.quicklooks.sheet import Sheet, one_line, shorten
from instageo.raster.map_products.ground_scale import ground_jacobian

LONGER_SIDE, MARGIN, TITLE_SIZE = 8.0, 0.3, 13.0
"""Inches of the picture's longer side and around everything; points."""

LABELS_LEFT, LABELS_BELOW = 0.72, 0.25
"""Inches for the labels of parallels and meridians."""

BAR_LENGTH, FURNITURE_HEIGHT, FURNITURE_WIDTH = 1.6, 0.85, 2.5
"""Inches of the scale bar at most, and of bar and arrow together."""

WIDE = 1.5
"""Pictures that are wider than high by this factor have their legend below."""

NORTH = np.array([0.0, -1.0])


@dataclass(frozen=True)
class AreaSheet:
    """A sheet with a picture on it.

    Attributes:
        sheet: The sheet.
        frame: Left, top, width and height of the picture on it, inches.
    """

    sheet: Sheet
    frame: tuple[float, float, float, float]


@dataclass(frozen=True)
class SheetText:
    """The words on a sheet.

    Attributes:
        title: Its title.
        subtitle: A line below it.
        footnote: A line at the bottom.
    """

    title: str
    subtitle: str
    footnote: str


def compose_area_sheet(
    pixels: NDArray[np.uint8], canvas: AreaCanvas, key: ClassKey | ValueKey, text: SheetText
) -> AreaSheet:
    """Return a sheet with a picture of an area.

    Args:
        pixels: Red, green and blue of the picture, shape (H, W, 3).
        canvas: Its pixels.
        key: Its legend.
        text: The words on it.
    """
    rows, columns = canvas.inside.shape
    scale = LONGER_SIDE / max(rows, columns)
    width, height = columns * scale, rows * scale
    left, top = MARGIN + LABELS_LEFT, MARGIN + 0.75
    bottom = top + height + LABELS_BELOW + 0.1
    if width > WIDE * height:
        key_width = max(width - FURNITURE_WIDTH - MARGIN, key.width)
        key_at, furniture_at = (left, bottom), (left + key_width + MARGIN, bottom)
        right, bottom = (
            left + key_width + MARGIN + FURNITURE_WIDTH,
            bottom + max(key.height(key_width), FURNITURE_HEIGHT),
        )
    else:
        key_width = key.width
        key_at = (left + width + MARGIN, top)
        key_bottom = top + key.height(key_width) + MARGIN
        furniture_at = (key_at[0], max(key_bottom, top + height - FURNITURE_HEIGHT))
        right = key_at[0] + max(key_width, FURNITURE_WIDTH)
        bottom = max(bottom, furniture_at[1] + FURNITURE_HEIGHT)
    sheet = Sheet(max(right, left + width) + MARGIN, bottom + 0.3 + MARGIN)
    sheet.figure.set_facecolor("white")
    inner = sheet.width - 2 * MARGIN
    sheet.text(
        MARGIN, MARGIN + 0.1, _fit(text.title, TITLE_SIZE, inner, "map", "bold"), TITLE_SIZE, weight="bold", color=INK
    )
    sheet.text(MARGIN, MARGIN + 0.42, _fit(text.subtitle, SMALL + 1, inner), SMALL + 1, color=INK)
    sheet.text(MARGIN, sheet.height - MARGIN, _fit(text.footnote, SMALL, inner), SMALL, color=FAINT)
    sheet.image(left, top, width, height, pixels)
    _draw_graticule(sheet, canvas, (left, top, width, height))
    _draw_outline(sheet, canvas, (left, top), scale)
    sheet.rectangle(left, top, width, height, fill=False, edgecolor="0.3", linewidth=0.8)
    key.draw(sheet, *key_at, key_width)
    jacobian = ground_jacobian(canvas.grid.grid)
    if jacobian is not None:
        draw_north_arrow(sheet, furniture_at[0] + 0.3, furniture_at[1] + 0.42, NORTH)
        metres_per_inch = float(np.hypot(*jacobian[:, 0])) / scale
        draw_scale_bar(sheet, furniture_at[0] + 0.8, furniture_at[1] + 0.34, metres_per_inch, BAR_LENGTH)
    return AreaSheet(sheet, (left, top, width, height))


def drawable(text: str, fallback: str) -> str:
    """Return a text in one line; the other one if no font of this machine has its letters."""
    line = one_line(text)
    return line if line and find_families(line) else fallback


def _fit(text: str, size: float, width: float, fallback: str = "", weight: str = "normal") -> str:
    return shorten(drawable(text, fallback), size, width, weight)


def _draw_graticule(sheet: Sheet, canvas: AreaCanvas, frame: tuple[float, float, float, float]) -> None:
    """Draw thin lines over the picture, and their labels at its left and below it."""
    left, top, width, height = frame
    west, south, east, north = canvas.grid.bounds
    style: dict[str, Any] = {"color": "black", "linewidth": 0.4, "alpha": 0.35}
    for line in graticule(west, east, "EW", 6 if width > 3 else 3):
        x = left + width * (line.value - west) / (east - west)
        sheet.axes.plot([x, x], [top, top + height], **style)
        sheet.text(x, top + height + 0.14, line.label, SMALL, color=FAINT, ha="center")
    for line in graticule(south, north, "NS", 6 if height > 2 else 3):
        y = top + height * (north - line.value) / (north - south)
        sheet.axes.plot([left, left + width], [y, y], **style)
        sheet.text(left - 0.06, y, line.label, SMALL, color=FAINT, ha="right")


def _draw_outline(sheet: Sheet, canvas: AreaCanvas, corner: tuple[float, float], scale: float) -> None:
    """Draw the outline of the area, black on white, so that it is seen on any colour."""
    for ring in rings_of(canvas.outline, canvas.grid.lat_step / 2):
        points = np.array([canvas.grid.position(*point) for point in ring]) * scale + corner
        for color, width in (("white", 2.6), ("black", 1.2)):
            sheet.axes.plot(*points.T, color=color, linewidth=width, solid_joinstyle="round")
