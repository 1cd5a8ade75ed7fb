"""Colours of classes."""

from collections.abc import Sequence

PALETTE = (
    (215, 48, 39), (254, 217, 118), (166, 217, 106), (26, 152, 80), (33, 113, 181), (158, 154, 200), (140, 81, 10),
    (253, 174, 97), (199, 21, 133), (127, 205, 187), (120, 120, 120), (255, 127, 0), (8, 48, 107), (188, 189, 34),
)  # fmt: skip
"""Default colours of classes, red, green and blue in 0..255."""


def class_colors(given: Sequence[Sequence[int]] | None, classes: int) -> dict[int, tuple[int, int, int]]:
    """Return the colour of each class: the given ones, else those of the palette, repeated if it is too short."""
    colors = given or [PALETTE[number % len(PALETTE)] for number in range(classes)]
    return {number: (int(red), int(green), int(blue)) for number, (red, green, blue) in enumerate(colors)}
