"""Meridians and parallels at round degrees."""

import math
from dataclasses import dataclass

from instageo.area_maps.pictures.number_text import degrees_text

STEPS = (1, 2, 5)


@dataclass(frozen=True)
class GraticuleLine:
    """A meridian or a parallel.

    Attributes:
        value: Its longitude or latitude, degrees; longitudes may exceed 180.
        label: It as text.
    """

    value: float
    label: str


def graticule(low: float, high: float, signs: str, most: int = 6) -> list[GraticuleLine]:
    """Return the lines within a range, at steps of 1, 2 or 5 times a power of ten.

    Args:
        low: Lower end, degrees.
        high: Upper end, degrees.
        signs: `EW` for meridians, `NS` for parallels.
        most: Most lines.

    Examples:
        >>> [line.label for line in graticule(35.68, 36.31, "EW")]
        ['35.8° E', '36.0° E', '36.2° E']
    """
    power = math.floor(math.log10((high - low) / most)) if high > low else 0
    exponents = (power, power + 1)
    step, exponent = next(
        (factor * 10.0**exponent, exponent)
        for exponent in exponents
        for factor in STEPS
        if (high - low) / (factor * 10.0**exponent) <= most - 1
    )
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [GraticuleLine(number * step, degrees_text(number * step, signs, max(-exponent, 0))) for number in numbers]
