"""What a chip is made of."""

from dataclasses import dataclass

from instageo.data.items.item import Item
from instageo.data.observations.observation import Observation
from instageo.raster.grid import Grid


@dataclass(frozen=True)
class ChipPlan:
    """A chip to be made.

    Attributes:
        name: Tile, observation date and place, such as `T32TPM_20240516_0888_0888`; equal plans have equal names.
        tile: Tile that it lies in.
        grid: Its pixels.
        row: First row in the tile.
        column: First column in the tile.
        steps: For each date, in the order of the chip's layers, the parts of one pass that it is read from, the first
            one preferred; empty for a date without an image.
        candidates: For each date, items in the order of preference, the first parts among them, for the case that one
            cannot be read.
        observations: Observations in it; empty for chips of raster labels.
    """

    name: str
    tile: str
    grid: Grid
    row: int
    column: int
    steps: tuple[tuple[Item, ...], ...]
    candidates: tuple[tuple[Item, ...], ...] = ()
    observations: tuple[Observation, ...] = ()
