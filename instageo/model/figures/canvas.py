"""Figures that need no screen: make an empty one, and write it as a PNG."""

from pathlib import Path
from typing import TYPE_CHECKING

from instageo.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure that needs no screen; sizes in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path, dpi: int) -> None:
    """Write a figure as a PNG, whole or not at all.

    Raises:
        WriteError: The disk refuses the file.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
