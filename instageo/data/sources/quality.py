"""Quality layers: which pixels are covered by clouds, shadows, snow or water, and which have no data."""

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
        whole = layer.astype(np.int64)
        return np.asarray(((whole & self.bits) != 0) | np.isin(whole, self.values), dtype=bool)


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
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~mask) <= radius + 1e-9, dtype=bool)
