"""Quality layers: which pixels are covered by clouds, shadows, snow or water, and which have no data.

Sources: HLS v2 product user guide (Fmask); USGS Landsat Collection 2 Level-2 science product guide (QA_PIXEL); ESA,
Sentinel-2 Level-2A algorithm theoretical basis document (SCL).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.errors import ConfigError, did_you_mean

NO_DATA = "nodata"
"""Name of the flag of pixels without an observation."""

OBSCURING = ("cloud", "adjacent", "shadow", "cirrus")
"""Flags of pixels that are not clear, as far as a product has them."""

FORMER_NAMES = {"near_cloud_or_shadow": "adjacent", "cloud_shadow": "shadow"}
"""Flags by the names that the module commands also accept."""


@dataclass(frozen=True)
class Flag:
    """How a quality layer marks pixels.

    Attributes:
        bits: A pixel is marked if one of these bits is set.
        values: A pixel is marked if it has one of these values.
    """

    bits: int = 0
    values: tuple[int, ...] = ()

    def marks(self, layer: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return where the layer, shape (H, W), has the flag."""
        fits = layer.dtype.kind in "iu" and self.bits <= np.iinfo(layer.dtype.name).max
        whole: NDArray[np.integer] = layer.astype(layer.dtype if fits else np.int64, copy=False)
        found = np.asarray((whole & self.bits) != 0)
        for value in self.values:
            found |= whole == value
        return found


FMASK = {
    NO_DATA: Flag(values=(255,)),
    "cloud": Flag(bits=1 << 1),
    "adjacent": Flag(bits=1 << 2),
    "shadow": Flag(bits=1 << 3),
    "snow": Flag(bits=1 << 4),
    "water": Flag(bits=1 << 5),
}
"""The layer Fmask of HLS."""

QA_PIXEL = {
    NO_DATA: Flag(bits=1 << 0),
    "adjacent": Flag(bits=1 << 1),
    "cirrus": Flag(bits=1 << 2),
    "cloud": Flag(bits=1 << 3),
    "shadow": Flag(bits=1 << 4),
    "snow": Flag(bits=1 << 5),
    "water": Flag(bits=1 << 7),
}
"""The layer QA_PIXEL of Landsat Collection 2."""

SCL = {
    NO_DATA: Flag(values=(0,)),
    "saturated": Flag(values=(1,)),
    "shadow": Flag(values=(3,)),
    "water": Flag(values=(6,)),
    "cloud": Flag(values=(8, 9)),
    "cirrus": Flag(values=(10,)),
    "snow": Flag(values=(11,)),
}
"""The scene classification of Sentinel-2 Level-2A."""

QUALITY_FLAGS: Mapping[str, Mapping[str, Flag]] = {
    "hls_s30": FMASK,
    "hls_l30": FMASK,
    "sentinel2_l2a": SCL,
    "landsat5_c2": QA_PIXEL,
    "landsat7_c2": QA_PIXEL,
    "landsat8_c2": QA_PIXEL,
    "landsat9_c2": QA_PIXEL,
}
"""What the values of the quality layer mean, by key of `SENSORS`; other products have none."""

QUALITY_CODES = {
    "hls_s30": "Fmask",
    "hls_l30": "Fmask",
    "sentinel2_l2a": "SCL",
    "landsat5_c2": "QA_PIXEL",
    "landsat7_c2": "QA_PIXEL",
    "landsat8_c2": "QA_PIXEL",
    "landsat9_c2": "QA_PIXEL",
}
"""What the names of files call the quality layer, by key of `SENSORS`."""


def check_flags(names: Sequence[str], flags: Mapping[str, Flag], source: str) -> tuple[str, ...]:
    """Return the names of flags, former names replaced.

    Raises:
        ConfigError: The product has no such flag.
    """
    available = [name for name in flags if name != NO_DATA]
    result = tuple(FORMER_NAMES.get(name, name) for name in names)
    for name in result:
        if name not in available:
            has = f"its quality layer has {', '.join(available)}" if available else "it has no quality layer"
            raise ConfigError(f"mask: {source} has no flag {name}; {has}{did_you_mean(name, available)}")
    return result


def marked(layer: NDArray[np.generic], names: Sequence[str], flags: Mapping[str, Flag]) -> NDArray[np.bool_]:
    """Return where a quality layer, shape (H, W), has one of the flags; pixels without data have none."""
    covered = np.zeros(layer.shape, dtype=bool)
    for name in names:
        if name in flags:
            covered |= flags[name].marks(layer)
    return covered & ~without_data(layer, flags)


def without_data(layer: NDArray[np.generic], flags: Mapping[str, Flag]) -> NDArray[np.bool_]:
    """Return where a quality layer, shape (H, W), has no observation."""
    return flags[NO_DATA].marks(layer) if NO_DATA in flags else np.zeros(layer.shape, dtype=bool)


def dilate(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Grow a mask, shape (H, W), to all pixels whose centre is within a radius, pixels, of a marked one."""
    if radius < 1 or not mask.any():
        return mask
    result = np.zeros_like(mask)
    for rows in range(min(int(radius + 1e-9), len(mask) - 1) + 1):
        wide = _widen(mask, int(math.sqrt((radius + 1e-9) ** 2 - rows**2)))
        result[rows:] |= wide[: len(mask) - rows]
        result[: len(mask) - rows] |= wide[rows:]
    return result


def _widen(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Grow a mask along its rows to both sides; each step doubles the number of neighbours that are looked at."""
    result, length, target = np.pad(mask, ((0, 0), (reach, reach))), 1, 2 * reach + 1
    while length < target:
        step = min(length, target - length)
        result = result[:, :-step] | result[:, step:]
        length += step
    return result
