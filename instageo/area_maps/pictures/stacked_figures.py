"""Several figures below each other in one PNG."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instageo.files import atomic_path
from instageo.model.figures.canvas import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_stacked(figures: Sequence["Figure"], path: Path, dpi: int) -> None:
    """Write figures below each other as one PNG, whole or not at all.

    Raises:
        WriteError: The disk refuses the file.
    """
    if len(figures) == 1:
        save_figure(figures[0], path, dpi)
        return
    from matplotlib.image import imread, imsave

    pictures = []
    for figure in figures:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=dpi)
        stream.seek(0)
        pictures.append(imread(stream)[..., :3])
    width = max(picture.shape[1] for picture in pictures)
    rows = [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=1) for part in pictures]
    with atomic_path(path) as temporary:
        imsave(temporary, np.concatenate(rows), format="png")
