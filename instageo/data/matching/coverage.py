"""Which share of the windows of a tile the footprint of a scene covers, for all of them at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from instageo.data.matching.placement import corners_lonlat
from instageo.data.matching.scenes import Scene
from instageo.raster.grid import Grid


@dataclass(frozen=True)
class TileWindows:
    """Windows of a tile.

    Attributes:
        numbers: Position of each window in the arrays, by its row and column in the tile.
        corners: Shape (N, 4, 2), longitude and latitude of the corners from the upper left, degrees.
        edges: Shape (N, 4), x and y of the upper left corner, in the reference system, rows and columns.
    """

    numbers: Mapping[tuple[int, int], int]
    corners: NDArray[np.float64]
    edges: NDArray[np.float64]

    @classmethod
    def of(cls, grids: Mapping[tuple[int, int], Grid]) -> Self:
        """Return the windows of a tile from their grids, by row and column in the tile."""
        corners = corners_lonlat(grids)
        edges = [(grid.transform.c, grid.transform.f, grid.height, grid.width) for grid in grids.values()]
        return cls(
            {key: number for number, key in enumerate(grids)},
            np.stack([corners[key] for key in grids]),
            np.array(edges),
        )


def covered_shares(scene: Scene, windows: TileWindows) -> NDArray[np.float64]:
    """Return the share of each window that the footprint of a scene covers, shape (N,), from 0 to 1.

    It is -1 where the window does not lie on whole pixels of the scene, or not within it.
    """
    import shapely

    corners = windows.corners.copy()
    corners[..., 0] += 360 * ((scene.middle - corners[..., 0]) / 360).round()
    polygons = shapely.polygons(corners)
    shares = np.ones(len(polygons))
    partly = ~shapely.covers(scene.footprint, polygons)
    parts = polygons[partly]
    shares[partly] = shapely.area(shapely.intersection(scene.footprint, parts)) / shapely.area(parts)
    return np.where(scene.holds(*windows.edges.T), shares, -1.0)
