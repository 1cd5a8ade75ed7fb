"""Keys of maps: what their colours mean."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.rgb import Limits
from instageo.model.quicklooks.map_legend import (
    FAINT,
    INK,
    ROW,
    SMALL,
    TEXT,
    LegendEntry,
    draw_entry,
    entry_widths,
    legend_width,
)
from instageo.model.quicklooks.sheet import Sheet, one_line, shorten

COLUMN_GAP = 0.35
"""Distance between columns of entries, inches."""

SCALE_WIDTH = 2.4
"""Width of a scale of colours, inches."""


@dataclass(frozen=True)
class ClassKey:
    """Legend of a map of classes, in as many columns as there is room for."""

    entries: list[LegendEntry]

    @cached_property
    def _widths(self) -> list[float]:
        return entry_widths(self.entries)

    @cached_property
    def width(self) -> float:
        """Width of one column, inches."""
        return legend_width(self._widths)

    def height(self, width: float) -> float:
        """Return the height in so much width, inches."""
        return ROW * self._rows(width)

    def draw(self, sheet: Sheet, x: float, y: float, width: float) -> None:
        """Draw the legend with its upper left corner at (x, y)."""
        rows = self._rows(width)
        for index, entry in enumerate(self.entries):
            column, row = divmod(index, rows)
            draw_entry(sheet, x + column * (self.width + COLUMN_GAP), y + row * ROW, entry, self._widths)

    def _rows(self, width: float) -> int:
        columns = max(int((width + COLUMN_GAP + 1e-6) // (self.width + COLUMN_GAP)), 1)
        return max(math.ceil(len(self.entries) / columns), 1)


@dataclass(frozen=True)
class ValueKey:
    """Scale of colours of a map of values.

    Attributes:
        limits: Values of the first and the last colour; lower and higher ones have these colours, too.
        name: What the values are.
    """

    limits: Limits
    name: str = ""
    width: float = SCALE_WIDTH

    def height(self, width: float) -> float:  # noqa: ARG002 - as in the other key
        """Return the height in so much width, inches."""
        return 0.45 + ROW * bool(self.name)

    def draw(self, sheet: Sheet, x: float, y: float, width: float) -> None:  # noqa: ARG002 - as in the other key
        """Draw the scale with its upper left corner at (x, y)."""
        if self.name:
            sheet.text(x, y + 0.08, shorten(one_line(self.name), TEXT, SCALE_WIDTH), TEXT, color=INK)
            y += ROW
        sheet.image(x, y, SCALE_WIDTH, 0.16, color_scale(np.linspace(0, 1, 256))[None])
        sheet.rectangle(x, y, SCALE_WIDTH, 0.16, fill=False, edgecolor="0.4", linewidth=0.5)
        low, high = self.limits
        labels = [(f"{low:.4g}", 0.0, "left")]
        if low < high:
            middle = f"{(low + high) / 2:.4g}"
            labels = [(f"≤ {low:.4g}", 0.0, "left"), (middle, 0.5, "center"), (f"≥ {high:.4g}", 1.0, "right")]
        for text, place, side in labels:
            label = shorten(text, SMALL, SCALE_WIDTH / 3)
            sheet.text(x + place * SCALE_WIDTH, y + 0.28, label, SMALL, color=FAINT, ha=side)


def color_scale(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return colours for values in 0..1, red, green and blue in 0..1 as a last axis."""
    from matplotlib import colormaps

    colors: NDArray[np.float64] = colormaps["viridis"](values)[..., :3]
    return colors
