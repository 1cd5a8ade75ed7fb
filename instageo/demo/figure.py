"""The demo's figure: colour image, truth and prediction of a scene, with a legend."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.canvas import new_figure
from instageo.raster.grid import Raster
from instageo.raster.reading import read_raster
from instageo.sensors import PRITHVI_RGB

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NO_DATA = (235, 235, 235)

Color = tuple[int, int, int]


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
        scene: Six bands in the order of the published weights.
        truth: Classes from 1.
        prediction: Classes from 0.
        path: The PNG.
        names: Of the classes.
        colors: Red, green, blue in 0..255, one per class.
        held_out: (row, column) of the first pixel of each chip the scores were measured on; outlined.
        size: Side of a chip, pixels.
    """
    image, labels, classes = read_raster(scene), read_raster(truth), read_raster(prediction)
    seen: NDArray[np.bool_] = np.all(image.valid, axis=0)
    pictures = {
        "image (red, green, blue)": color_image(image),
        "land cover, truth": color_classes(labels.values[0].astype(int) - 1, labels.valid[0] & seen, colors),
        "land cover, predicted": color_classes(classes.values[0].astype(int), classes.valid[0], colors),
    }
    figure = new_figure(15, 5.6)
    for panel, (title, picture) in zip(figure.subplots(1, 3), pictures.items(), strict=True):
        panel.imshow(picture, interpolation="nearest")
        panel.set_title(title)
        panel.set_axis_off()
        _outline(panel, held_out, size, seen.shape)
    _legend(figure, names, colors)
    figure.savefig(path, dpi=110)


def color_image(image: Raster) -> NDArray[np.uint8]:
    """Red, green and blue stretched between the 2nd and 98th percentile of valid pixels, shape (H, W, 3)."""
    seen: NDArray[np.bool_] = np.all(image.valid, axis=0)
    rgb = image.values[list(PRITHVI_RGB)].astype(float)
    low, high = (np.percentile(rgb[:, seen], share, axis=1)[:, None, None] for share in (2, 98))
    stretched = np.clip((rgb - low) / np.maximum(high - low, 1e-9), 0, 1) * 255
    return np.where(seen[..., None], stretched.transpose(1, 2, 0), NO_DATA).astype(np.uint8)


def color_classes(classes: NDArray[np.int_], valid: NDArray[np.bool_], colors: Sequence[Color]) -> NDArray[np.uint8]:
    """Classes 0..K-1 in their colours, shape (H, W, 3)."""
    table = np.array([*colors, NO_DATA], dtype=np.uint8)
    return table[np.where(valid, classes, len(colors))]


def _outline(panel: "Axes", places: Sequence[tuple[int, int]], size: int, shape: tuple[int, int]) -> None:
    from matplotlib.patches import Rectangle

    for row, column in places:
        height, width = min(size, shape[0] - row), min(size, shape[1] - column)
        box = Rectangle((column - 0.5, row - 0.5), width, height, fill=False, edgecolor="black", linewidth=1.2)
        panel.add_patch(box)


def _legend(figure: "Figure", names: Sequence[str], colors: Sequence[Color]) -> None:
    from matplotlib.patches import Patch

    shown = dict(zip([*names, "no data"], [*colors, NO_DATA], strict=True))
    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), label=name) for name, (red, green, blue) in shown.items()
    ]
    patches.append(Patch(fill=False, edgecolor="black", label="held out: scores are measured here"))
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
