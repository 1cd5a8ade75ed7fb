"""Plan how a scene is mapped: which tiles, and in how many column panels, so that memory stays bounded."""

import math
from dataclasses import dataclass

import numpy as np

from instageo.errors import OutOfMemoryError
from instageo.model.inference.tiling import TileAxis, Tiling
from instageo.raster.scenes.pixel_scene import PixelScene

BLOCK = 512
"""Side of the blocks of maps, pixels; panels are whole blocks wide."""

MAX_PANEL_COLUMNS = 22 * BLOCK
"""Most columns of a panel: a tile of Sentinel-2 is one. Wider panels take more memory, and save only the tiles at their
borders, which are predicted for both neighbours."""

FLOAT_BYTES, MASK_BYTES = 4, 1


@dataclass(frozen=True)
class MapPlan:
    """How a scene is mapped.

    Attributes:
        tiling: Size and step of tiles.
        rows: Tiles along the scene's rows.
        columns: Tiles along the scene's columns.
        num_panels: Column panels, mapped one after the other.
    """

    tiling: Tiling
    rows: TileAxis
    columns: TileAxis
    num_panels: int

    @property
    def num_tiles(self) -> int:
        """Tiles of the whole scene; those of borders between panels are predicted once for each."""
        return len(self.rows.starts) * len(self.columns.starts)

    def tile_columns(self, window: slice) -> range:
        """Return the indices of the columns of tiles that touch a window of the scene's columns."""
        return _touching(self.columns, window)

    def tile_rows(self, window: slice) -> range:
        """Return the indices of the rows of tiles that touch a window of the scene's rows."""
        return _touching(self.rows, window)


def plan_map(scene: PixelScene, tiling: Tiling, num_outputs: int, *, spread: bool, memory_mb: int) -> MapPlan:
    """Plan the map of a scene.

    Args:
        scene: What is mapped.
        tiling: Size and step of tiles.
        num_outputs: Values per pixel that the network gives.
        spread: Whether as many standard deviations are summed.
        memory_mb: Memory beyond that of the network and the program.

    Raises:
        OutOfMemoryError: Not even one column of blocks fits.
    """
    rows, columns = tiling.axis(scene.grid.height), tiling.axis(scene.grid.width)
    per_column = column_bytes(scene, rows.size, num_outputs * (2 if spread else 1))
    budget, num_blocks = memory_mb * 1e6, math.ceil(columns.length / BLOCK)
    widest = int(budget / per_column) - 2 * columns.size  # tiles reach beyond a panel on both sides
    if columns.length * per_column <= budget and columns.length <= MAX_PANEL_COLUMNS:
        return MapPlan(tiling, rows, columns, 1)
    if widest < BLOCK:
        needed = math.ceil((BLOCK + 2 * columns.size) * per_column / 1e6)
        raise OutOfMemoryError(
            f"memory_mb={memory_mb} is not enough for a scene of {scene.grid.width} columns, strips of "
            f"{scene.strip_rows} rows and {num_outputs} outputs; set at least {needed}"
        )
    return MapPlan(tiling, rows, columns, math.ceil(num_blocks / (min(widest, MAX_PANEL_COLUMNS) // BLOCK)))


def column_bytes(scene: PixelScene, tile: int, num_values: int) -> int:
    """Return about how many bytes each column of a panel takes.

    Strips are read ahead and kept for one row of tiles; sums are kept for one row of tiles, and averages for one row of
    blocks, together with what they become: a mask, predictions, and encoded layers.
    """
    layers, strip = scene.num_layers, scene.strip_rows
    stored = layers * np.dtype(scene.dtype).itemsize + scene.num_dates * MASK_BYTES
    reading = stored * (tile + 4 * strip)
    return reading + FLOAT_BYTES * num_values * (tile + 4 * BLOCK)


def _touching(axis: TileAxis, window: slice) -> range:
    indices = range(len(axis.starts))
    touching = [
        index for index in indices if axis.window(index).start < window.stop and axis.window(index).stop > window.start
    ]
    return range(touching[0], touching[-1] + 1)
