"""Colours of changes between classes: unchanged ones are pale, changes are strong and colour-blind safe."""

from collections.abc import Mapping

Color = tuple[int, int, int]

CHANGE_PALETTE: tuple[Color, ...] = (
    (213, 94, 0), (0, 114, 178), (0, 158, 115), (230, 159, 0), (204, 121, 167), (86, 180, 233), (240, 228, 66),
    (51, 34, 136), (136, 34, 85), (17, 119, 51), (153, 153, 51), (170, 68, 153), (68, 170, 153), (204, 102, 119),
    (110, 70, 40),
)  # fmt: skip
"""Colours of what became class 0, 1, …, so that with two classes losses of the second are orange and gains blue: Okabe
and Ito (2008), then the muted scheme of Tol (https://personal.sron.nl/~pault/)."""

MAX_LIGHTENING = 0.55
"""Most white that is mixed into a change's colour: changes to one class differ by it, in the order of the classes."""

PALE, PALENESS = 240, 0.7
"""Grey that is mixed into the colours of classes that did not change, and its share."""


def change_colors(num_classes: int, class_colors: Mapping[int, Color]) -> dict[int, Color]:
    """Return the colour of each change, by its number `before * num_classes + after`.

    Args:
        num_classes: Number of classes, at most 15.
        class_colors: Colours of the classes; those without one are grey where they did not change.
    """
    colors: dict[int, Color] = {}
    for after, strong in enumerate(CHANGE_PALETTE[:num_classes]):
        sources = [before for before in range(num_classes) if before != after]
        for rank, before in enumerate(sources):
            share = MAX_LIGHTENING * rank / max(len(sources) - 1, 1)
            colors[before * num_classes + after] = _mix(strong, 255, share)
        grey = 225 - 60 * after // num_classes
        own = class_colors.get(after)
        colors[after * num_classes + after] = (grey, grey, grey) if own is None else _mix(own, PALE, PALENESS)
    return dict(sorted(colors.items()))


def _mix(color: Color, grey: int, share: float) -> Color:
    red, green, blue = (round(part + share * (grey - part)) for part in color)
    return red, green, blue
