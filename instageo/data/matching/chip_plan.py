"""What a chip is made of."""

from dataclasses import dataclass
from datetime import date

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
        targets: Day that the image of each date should be of, in the order of the chip's layers.
        candidates: For each date the images that can serve it, best first; empty for a date without an image.
        observations: Observations in it; empty for chips of label rasters.
    """

    name: str
    tile: str
    grid: Grid
    row: int
    column: int
    targets: tuple[date, ...]
    candidates: tuple[tuple[Item, ...], ...]
    observations: tuple[Observation, ...] = ()
