"""Predictions as matplotlib figures: classes with a legend, values with a scale of colours."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from instageo.model.figures.colors import NO_DATA_COLOR
from instageo.raster.grid import Grid

SIDE = 6.0
"""Longer side of a map, inches."""


class NotebookFigure(Figure):
    """A figure of pyplot that notebooks show once: as the result of a cell, or at its end."""

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display

        display(Image(self._repr_png_()))  # type: ignore[no-untyped-call]
        if "inline" in pyplot.get_backend():
            pyplot.close(self)  # so that it is not shown again when the cell ends

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", bbox_inches="tight")
        return buffer.getvalue()


_newest: list[NotebookFigure] = []
"""The figure that was made last, if it is on a backend without a screen."""


def _new_figure(**options: Any) -> NotebookFigure:
    """Return an empty figure that pyplot knows, so that `plt.show()` and notebooks show it.

    Without a screen pyplot knows only the newest one, so that a program that draws many does not keep them all.
    """
    while _newest:
        pyplot.close(_newest.pop())
    try:
        figure = cast(NotebookFigure, pyplot.figure(FigureClass=NotebookFigure, **options))
    except ImportError:  # the chosen backend needs a screen
        figure = NotebookFigure(**options)
        FigureCanvasAgg(figure)
    without_screen = backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)  # type: ignore[no-untyped-call]
    if pyplot.get_backend().lower() in without_screen:
        _newest.append(figure)
    return figure


def draw_classes(
    classes: NDArray[np.unsignedinteger],
    valid: NDArray[np.bool_],
    names: Sequence[str],
    colors: Mapping[int, tuple[int, int, int]],
    grid: Grid | None,
) -> Figure:
    """Draw classes in their colours, with those that occur in the legend.

    Args:
        classes: Shape (H, W).
        valid: Shape (H, W), False where nothing was observed.
        names: Names of the classes.
        colors: Red, green, blue of each class.
        grid: Position of the pixels; None for positions in pixels.
    """
    palette = np.array([*(colors[number] for number in range(len(names))), NO_DATA_COLOR], dtype=np.uint8)
    index = np.where(valid, np.minimum(classes, len(names)), len(names)).astype(np.int64)
    figure, axes = _new_map(classes.shape, grid)
    axes.imshow(palette[index], extent=_extent(classes.shape, grid), interpolation="nearest")
    labels = [*names, "no data"]
    entries = [
        Patch(facecolor=tuple(palette[number] / 255), edgecolor="0.5", label=labels[number])
        for number in np.unique(index)
    ]
    axes.legend(handles=entries, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0, frameon=False)
    return figure


def draw_values(values: NDArray[np.float32], grid: Grid | None) -> Figure:
    """Draw values, shape (H, W), NaN in grey, with a scale of colours."""
    figure, axes = _new_map(values.shape, grid)
    red, green, blue = (part / 255 for part in NO_DATA_COLOR)
    axes.set_facecolor((red, green, blue))
    image = axes.imshow(
        np.ma.masked_invalid(values), extent=_extent(values.shape, grid), interpolation="nearest", cmap="viridis"
    )
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def draw_probabilities(probabilities: NDArray[np.float32], names: Sequence[str]) -> Figure:
    """Draw the probability of each label of a whole chip, shape (K,), as bars."""
    figure = _new_figure(figsize=(SIDE, 1 + 0.3 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(names, np.nan_to_num(probabilities))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="probability")
    return figure


def _new_map(shape: tuple[int, ...], grid: Grid | None) -> tuple[Figure, Axes]:
    height, width = shape
    scale = SIDE / max(height, width)
    figure = _new_figure(figsize=(max(width * scale, 2.0) + 2, max(height * scale, 2.0)))
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.1)
    axes = figure.add_subplot(aspect="equal")
    if _extent(shape, grid) is not None:
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.tick_params(axis="x", rotation=30)
    return figure, axes


def _extent(shape: tuple[int, ...], grid: Grid | None) -> tuple[float, float, float, float] | None:
    """Return left, right, bottom and top of a map in the coordinates of its CRS; None if it has none."""
    if grid is None or grid.crs is None or grid.shape != shape or grid.transform.b or grid.transform.d:
        return None
    affine = grid.transform
    return affine.c, affine.c + affine.a * grid.width, affine.f + affine.e * grid.height, affine.f
