"""Small pictures of few colours."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.model.figures.colors import Color

BEYOND, HATCH_DARK, HATCH_LIGHT, FIRST = 0, 1, 2, 3
"""Numbers of colours: pixels beyond the area, the two of pixels without an observation, and the first of others."""

HATCH_COLORS: tuple[Color, Color] = (150, 150, 150), (228, 228, 228)
"""Stripes of pixels without an observation."""

MOST_COLORS = 256 - FIRST

STRIPE, PERIOD = 2, 6
"""Pixels across a dark stripe, and from one to the next."""


@dataclass(frozen=True)
class PaletteImage:
    """A picture whose pixels are numbers of colours.

    Attributes:
        index: Number of the colour of each pixel, shape (H, W); `BEYOND` is transparent.
        colors: Colours by number.
    """

    index: NDArray[np.uint8]
    colors: Sequence[Color]

    def rgb(self) -> NDArray[np.uint8]:
        """Return red, green and blue, shape (H, W, 3); pixels beyond the area are white."""
        palette = np.array([(255, 255, 255), *self.colors[1:]], np.uint8)
        return palette[self.index]

    def png(self) -> bytes:
        """Return the picture as a PNG with a palette, in which pixels beyond the area are transparent."""
        from PIL import Image

        image = Image.fromarray(self.index)
        image.putpalette([part for color in self.colors for part in color])
        stream = io.BytesIO()
        image.save(stream, format="PNG", optimize=True, transparency=BEYOND)
        return stream.getvalue()


def paint(classes: NDArray[np.signedinteger], inside: NDArray[np.bool_], colors: Sequence[Color]) -> PaletteImage:
    """Return a picture of classes within an area, striped where pixels have no class.

    Args:
        classes: Number of the class of each pixel, shape (H, W); -1 for none. Those beyond the colours have the last.
        inside: Pixels of the area, shape (H, W); those of classes beyond it are shown as well.
        colors: Colours of the classes 0, 1, …
    """
    colors = list(colors[:MOST_COLORS])
    rows, columns = np.indices(classes.shape)
    stripes = np.where((rows + columns) % PERIOD < STRIPE, HATCH_DARK, HATCH_LIGHT)
    index = np.where(inside, stripes, BEYOND)
    index = np.where(classes >= 0, np.minimum(classes, len(colors) - 1) + FIRST, index)
    return PaletteImage(index.astype(np.uint8), [(255, 255, 255), *HATCH_COLORS, *colors])
