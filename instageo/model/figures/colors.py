"""Colours of classes: the usual ones of known names, else those of a palette for colour-blind readers."""

import colorsys
import math
import re
from collections.abc import Iterator, Sequence

Color = tuple[int, int, int]
"""Red, green and blue in 0..255."""

NAMED_COLORS: dict[Color, tuple[str, ...]] = {
    (65, 155, 223): ("water", "flood", "flooded", "lake", "river", "ocean", "sea", "pond", "reservoir"),
    (57, 125, 73): ("forest", "tree", "wood", "woodland"),
    (136, 176, 83): ("grass", "grassland", "pasture", "meadow", "rangeland", "savanna", "vegetation"),
    (122, 135, 198): ("wetland", "marsh", "swamp", "bog", "peatland"),
    (0, 160, 120): ("mangrove",),
    (228, 150, 53): ("crop", "cropland", "agriculture", "farmland", "cultivated", "arable"),
    (223, 195, 90): ("shrub", "shrubland", "bush", "scrub"),
    (196, 40, 27): ("built", "builtup", "urban", "building", "settlement", "impervious", "road"),
    (165, 155, 143): ("bare", "barren", "soil", "sand", "rock", "desert"),
    (179, 159, 225): ("snow", "ice", "glacier"),
    (230, 230, 235): ("cloud",),
    (90, 90, 105): ("shadow",),
    (120, 20, 20): ("burn", "burned", "burnt", "fire", "scar"),
    (230, 224, 200): ("land", "dry", "ground"),
    (200, 200, 200): ("background", "other", "unknown", "none"),
}
"""Words in names of classes by colour; those of land cover are of Dynamic World (Brown et al. 2022,
https://doi.org/10.1038/s41597-022-01307-4). Of several words in a name, the colour that comes first here is used."""

NEGATIONS = ("no", "non", "not", "without")
"""Words after which a name means everything else, such as `not water`."""

ELSE_COLOR: Color = (230, 224, 200)
"""Colour of names with a negation."""

PALETTE: tuple[Color, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (51, 34, 136), (136, 204, 238), (68, 170, 153), (17, 119, 51), (153, 153, 51), (221, 204, 119), (204, 102, 119),
    (136, 34, 85), (170, 68, 153),
)  # fmt: skip
"""Colours of other classes: Okabe and Ito (2008), then the muted scheme of Tol (https://personal.sron.nl/~pault/)."""

NO_DATA_COLOR: Color = (225, 225, 225)
"""Colour of pixels of maps without an observation."""

MISSING_COLOR: Color = (240, 190, 240)
"""Colour of pixels of images without an observation, unlike any surface."""

IGNORED_COLOR: Color = (250, 250, 250)
"""Colour of pixels of labels that do not count."""

MIN_DISTANCE = 60.0
"""Distance in RGB to the colours in use that a colour of the palette has, as long as there is one."""

SHADES = (0.4, -0.35, 0.65, -0.55)
"""Mixtures with white (above 0) or black for further classes of one named colour."""


def class_colors(given: Sequence[Sequence[int]] | None, names: Sequence[str]) -> dict[int, Color]:
    """Return the colour of each class, by its number; without given ones, no two classes have the same.

    Args:
        given: Red, green and blue of each class; None for the usual colours of the names, else those of the palette.
        names: Names of the classes.
    """
    if given:
        return {number: (int(red), int(green), int(blue)) for number, (red, green, blue) in enumerate(given)}
    colors: dict[int, Color] = {}
    for number, name in enumerate(names):
        color = named_color(name)
        if color is not None:
            free = [shade for shade in _shades(color) if shade not in colors.values()]
            colors |= {number: free[0]} if free else {}
    taken, others = set(colors.values()), _further_colors()
    palette = [color for color in PALETTE if all(_distance(color, used) >= MIN_DISTANCE for used in taken)]
    for number in range(len(names)):
        if number not in colors:
            colors[number] = palette.pop(0) if palette else next(color for color in others if color not in taken)
            taken.add(colors[number])
    return dict(sorted(colors.items()))


def named_color(name: str) -> Color | None:
    """Return the usual colour of a class of this name; None if it has none."""
    words = [word.removesuffix("s") for word in re.findall(r"[a-z]+", name.lower())]
    matches = [color for color, names in NAMED_COLORS.items() if any(word.removesuffix("s") in words for word in names)]
    if matches and any(word in words for word in NEGATIONS):
        return ELSE_COLOR
    return matches[0] if matches else None


def _shades(color: Color) -> list[Color]:
    """Return a colour and lighter and darker ones."""
    shades = [color]
    for amount in SHADES:
        target = 255 if amount > 0 else 0
        red, green, blue = (round(part + abs(amount) * (target - part)) for part in color)
        shades.append((red, green, blue))
    return shades


def _further_colors() -> Iterator[Color]:
    """Yield ever more colours: hues by the golden ratio, in changing saturation and brightness."""
    number = 0
    while True:
        hue, saturation, value = (
            number * 0.618034 % 1,
            0.45 + 0.45 * (number * 0.31 % 1),
            0.5 + 0.45 * (number * 0.73 % 1),
        )
        red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        yield red, green, blue
        number += 1


def _distance(one: Color, other: Color) -> float:
    return math.dist(one, other)
