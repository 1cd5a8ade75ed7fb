"""How images of any size are cut into overlapping tiles."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from torch import Tensor

MIN_OVERLAP = 16
"""Fewest pixels that neighbouring tiles share by default; with fewer, steps between tiles show in maps."""


class Activation(Protocol):
    """Converts a network's outputs to what tiles are averaged in, and back; every `Task` does."""

    def activate(self, outputs: Tensor) -> Tensor:
        """Convert outputs (B, C, h, w) to probabilities or values."""

    def deactivate(self, averaged: Tensor) -> Tensor:
        """Convert averaged probabilities or values (C, H, W) to outputs that mean the same."""


def default_overlap(tile: int) -> int:
    """Return how many pixels neighbouring tiles share: a sixteenth of a tile, but at least 16, and at most a half.

    Larger overlaps take more time and gain no score; see docs/maps.md.
    """
    sixteenth = -(-max(tile // 16, MIN_OVERLAP) // 4) * 4
    return min(sixteenth, tile // 2)


@dataclass(frozen=True)
class Tiling:
    """How images are cut into tiles.

    Attributes:
        tile: Side of a tile, pixels. A smaller image is one tile of its own size.
        stride: Step between tiles, 1..tile.
        batch_size: Tiles per forward pass.
        activation: What tiles are averaged in where they overlap; None for the network's outputs.
    """

    tile: int
    stride: int
    batch_size: int = 8
    activation: Activation | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.stride <= self.tile:
            raise ValueError(f"stride {self.stride} is not in 1..{self.tile}, so tiles would leave gaps")

    def axis(self, length: int) -> "TileAxis":
        """Return the tiles along the rows or columns of an image."""
        return TileAxis(length, self.tile, self.stride)


@dataclass(frozen=True)
class TileAxis:
    """Tiles along the rows or columns of an image.

    Attributes:
        length: Rows or columns of the image.
        tile: Side of a tile, pixels.
        stride: Step between tiles.
    """

    length: int
    tile: int
    stride: int

    @property
    def size(self) -> int:
        """Rows or columns of each tile."""
        return min(self.tile, self.length)

    @cached_property
    def starts(self) -> list[int]:
        """First row or column of each tile; the last tile ends at the border."""
        return compute_tile_starts(self.length, self.tile, self.stride)

    def window(self, index: int) -> slice:
        """Return the rows or columns of a tile."""
        return slice(self.starts[index], self.starts[index] + self.size)


def compute_tile_starts(length: int, tile: int, stride: int) -> list[int]:
    """Return the first pixels of tiles that cover 0..length - 1; the last tile ends at the border."""
    last = max(length - tile, 0)
    return [*range(0, last, stride), last]
