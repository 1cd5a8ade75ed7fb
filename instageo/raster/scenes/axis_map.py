"""Where the pixels of a file lie along one axis of the scene, and which of them make up a pixel of the scene."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Taps:
    """Pixels of a file that make up n pixels of the scene along one axis.

    Attributes:
        index: Shape (n, k), 0-based positions in the file; those beyond its border are replaced by the border's.
        weights: Shape (n, k), float64, sums of 1.
        inside: Shape (n,), False where the centre of the scene's pixel lies outside the file.
    """

    index: NDArray[np.int64]
    weights: NDArray[np.float64]
    inside: NDArray[np.bool_]

    @property
    def span(self) -> slice:
        """Range of the positions."""
        return slice(int(self.index.min()), int(self.index.max()) + 1)

    def part(self, part: slice) -> "Taps":
        """Return the taps of a part of the scene's pixels."""
        return Taps(self.index[part], self.weights[part], self.inside[part])


@dataclass(frozen=True)
class AxisMap:
    """Position of a file along one axis of the scene: file's coordinate = scene's coordinate * ratio + offset, pixels.

    Attributes:
        ratio: Pixels of the file per pixel of the scene; negative where they run in opposite directions.
        offset: Coordinate in the file of the scene's first corner.
        length: Number of pixels of the file.
    """

    ratio: float
    offset: float
    length: int

    @property
    def shift(self) -> int | None:
        """What to add to a position in the scene, if pixels coincide; else None."""
        return int(self.offset) if self.ratio == 1 and self.offset == int(self.offset) else None

    def overlaps(self, length: int) -> bool:
        """Return whether any part of a scene with this number of pixels lies in the file."""
        ends = self.offset, length * self.ratio + self.offset
        return max(ends) > 0 and min(ends) < self.length

    def taps(self, start: int, stop: int, *, nearest: bool) -> Taps:
        """Return what makes up the pixels start to stop of the scene.

        Each pixel's taps depend on its own position alone. Where the file has smaller pixels than the scene, bilinear
        weights reach over as many of them, as GDAL's do.
        """
        centers = (np.arange(start, stop) + 0.5) * self.ratio + self.offset
        inside = (centers >= 0) & (centers < self.length)
        if nearest:
            index = np.floor(centers)[:, np.newaxis]
            weights = np.ones(index.shape)
        else:
            reach = max(1.0, abs(self.ratio))
            first = np.floor(centers - 0.5 - reach) + 1
            index = first[:, np.newaxis] + np.arange(math.ceil(2 * reach))
            weights = np.maximum(1 - np.abs(index + 0.5 - centers[:, np.newaxis]) / reach, 0)
            weights /= weights.sum(axis=1, keepdims=True)
        return Taps(np.clip(index, 0, self.length - 1).astype(np.int64), weights, inside)
