"""A sheet of paper on which texts and shapes are placed in inches, from its upper left corner."""

import warnings
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from instageo.model.figures.canvas import new_figure
from instageo.model.quicklooks.fonts import OWN_FAMILY, find_families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Sheet:
    """A figure of a given size whose coordinates are inches; y runs down.

    Args:
        width: Inches.
        height: Inches.
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure: Figure = new_figure(width, height, arrange=False)
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set(xlim=(0, width), ylim=(height, 0))

    def text(self, x: float, y: float, text: str, size: float, **options: Any) -> None:
        """Write a text in one line, whose middle is at the height y."""
        families = find_families(text) or [OWN_FAMILY]
        self.axes.text(x, y, text, va="center", family=families, parse_math=False, fontsize=size, **options)

    def rectangle(self, x: float, y: float, width: float, height: float, **options: Any) -> None:
        """Draw a rectangle with its upper left corner at (x, y)."""
        from matplotlib.patches import Rectangle

        self.axes.add_patch(Rectangle((x, y), width, height, **options))

    def image(self, x: float, y: float, width: float, height: float, pixels: Any) -> None:
        """Draw pixels, shape (H, W, 3), with their upper left corner at (x, y)."""
        limits = self.axes.get_xlim(), self.axes.get_ylim()
        extent = (x, x + width, y + height, y)
        self.axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="auto")
        self.axes.set(xlim=limits[0], ylim=limits[1])


def one_line(text: str) -> str:
    """Return a text without line ends and other control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


@cache
def _scratch_sheet() -> Sheet:
    return Sheet(1, 1)


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a text in one line, inches."""
    scratch = _scratch_sheet()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        scratch.text(0, 0, text, size, weight=weight)
        [written] = scratch.axes.texts
        extent = written.get_window_extent()
        written.remove()
    return float(extent.width / scratch.figure.dpi)


def shorten(text: str, size: float, width: float, weight: str = "normal") -> str:
    """Return a text, cut off with an ellipsis if it is wider than that many inches."""
    if text_width(text, size, weight) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = text_width(text[:middle].rstrip() + "…", size, weight) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return text[:low].rstrip() + "…"
