"""Figures that need no screen: make an empty one, and write it as a PNG."""

from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from instageo.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_in_background() -> None:
    """Begin to import what figures need in a thread, which takes half a second, while something else is computed."""
    Thread(target=_load, name="figures").start()


def _load() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


def new_figure(width: float, height: float, *, arrange: bool = True) -> "Figure":
    """Return an empty figure that needs no screen.

    Args:
        width: Inches.
        height: Inches.
        arrange: Whether its parts are placed by their sizes, for which everything is drawn once more.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained" if arrange else None)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path, dpi: int) -> None:
    """Write a figure as a PNG, whole or not at all.

    Raises:
        WriteError: The disk refuses the file.
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
