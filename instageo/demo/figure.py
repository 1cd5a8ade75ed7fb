"""Figure of the demo: colour image, ground truth and prediction of a scene, with a legend."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.canvas import new_figure, save_figure
from instageo.model.figures.rgb import Color, rgb_image
from instageo.raster.reading import read_raster
from instageo.sensors import PRITHVI_RGB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_DATA = (235, 235, 235)
"""Colour of pixels without observation, without label or outside the prediction."""


def draw_overview(
    scene: Path,
    truth: Path,
    prediction: Path,
    path: Path,
    *,
    names: Sequence[str],
    colors: Sequence[Color],
    held_out: Sequence[tuple[int, int]],
    size: int,
) -> None:
    """Draw a scene, its labels and its prediction side by side as PNG.

    Args:
        scene: Raster of six bands in the order of `PRITHVI_BANDS`.
        truth: Raster of classes, counted from 1.
        prediction: Raster of classes, counted from 0.
        path: Output file.
        names: Names of the classes.
        colors: Red, green, blue in 0..255, one per class.
        held_out: (row, column) of the first pixel of each chip of the test table; these chips are outlined.
        size: Side of a chip, pixels.
    """
    image, labels, classes = read_raster(scene), read_raster(truth), read_raster(prediction)
    valid: NDArray[np.bool_] = np.all(image.valid, axis=0)
    pictures = {
        "image (red, green, blue)": rgb_image(image.values[list(PRITHVI_RGB)], valid, no_data=NO_DATA),
        "land cover, truth": color_classes(labels.values[0].astype(int) - 1, labels.valid[0] & valid, colors),
        "land cover, predicted": color_classes(classes.values[0].astype(int), classes.valid[0], colors),
    }
    figure = new_figure(15, 5.6)
    for panel, (title, picture) in zip(figure.subplots(1, 3), pictures.items(), strict=True):
        panel.imshow(picture, interpolation="nearest")
        panel.set_title(title)
        panel.set_axis_off()
        _outline(panel, held_out, size, valid.shape)
    _legend(figure, names, colors)
    save_figure(figure, path, dpi=110)


def color_classes(classes: NDArray[np.int_], valid: NDArray[np.bool_], colors: Sequence[Color]) -> NDArray[np.uint8]:
    """Return classes 0..K-1 in their colours, shape (H, W, 3)."""
    table = np.array([*colors, NO_DATA], dtype=np.uint8)
    return table[np.where(valid, classes, len(colors))]


def _outline(panel: "Axes", origins: Sequence[tuple[int, int]], size: int, shape: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    for row, column in origins:
        height, width = min(size, shape[0] - row), min(size, shape[1] - column)
        box = Rectangle((column - 0.5, row - 0.5), width, height, fill=False, edgecolor="black", linewidth=1.2)
        panel.add_patch(box)


def _legend(figure: "Figure", names: Sequence[str], colors: Sequence[Color]) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), label=name)
        for name, (red, green, blue) in zip([*names, "no data"], [*colors, NO_DATA], strict=True)
    ]
    patches.append(Patch(fill=False, edgecolor="black", label="held out: test scores are measured here"))
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
