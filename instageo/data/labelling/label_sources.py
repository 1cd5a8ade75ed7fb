"""Where the labels of an area come from: a raster, or polygons and points of a day."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instageo.data.labelling.features import Feature
from instageo.errors import DataError
from instageo.raster.grid import Grid
from instageo.raster.label_warp import WarpRules, warp_labels
from instageo.raster.rasterizing import paint_polygons
from instageo.raster.warp import WGS84, Bounds, transform_bounds


@dataclass(frozen=True)
class RawLabels:
    """Labels on the pixels of a chip before they are classes or values.

    Attributes:
        values: Shape (H, W), float64.
        valid: Shape (H, W).
        conflicts: Number of pixels with different labels.
        numbers: Numbers of the features in it, or of the raster.
    """

    values: NDArray[np.float64]
    valid: NDArray[np.bool_]
    conflicts: int
    numbers: tuple[int, ...]


class LabelSource(Protocol):
    """Labels of an area."""

    @property
    def bounds(self) -> Bounds:
        """Bounds, degrees (WGS 84)."""

    def read(self, grid: Grid) -> RawLabels:
        """Return the labels on a grid."""


@dataclass(frozen=True)
class RasterSource:
    """A label raster.

    Attributes:
        number: Its position among the rasters, from 1.
        path: The file.
        bounds: Bounds, degrees (WGS 84).
        rules: How it is brought onto chips.
    """

    number: int
    path: Path
    bounds: Bounds
    rules: WarpRules

    def read(self, grid: Grid) -> RawLabels:
        """Return the labels on a grid."""
        values, valid = warp_labels(self.path, grid, self.rules)
        return RawLabels(values, valid, 0, (self.number,) if valid.any() else ())


@dataclass(frozen=True)
class FeatureSource:
    """Polygons or points of a day.

    Attributes:
        features: In the order of the file.
        crs: Their reference system.
        on_conflict: `ignore`, `first` or `error`.
    """

    features: tuple[Feature, ...]
    crs: str
    on_conflict: str

    @cached_property
    def bounds(self) -> Bounds:
        """Bounds, degrees (WGS 84)."""
        corners = np.array([feature.geometry.bounds for feature in self.features])
        return transform_bounds(
            self.crs, WGS84, (*corners[:, :2].min(axis=0).tolist(), *corners[:, 2:].max(axis=0).tolist())
        )

    @cached_property
    def _tree(self) -> Any:
        import shapely

        return shapely.STRtree([feature.geometry for feature in self.features])

    def read(self, grid: Grid) -> RawLabels:
        """Return the labels on a grid.

        Raises:
            DataError: Features with different labels overlap, and on_conflict is `error`.
        """
        import shapely

        xs, ys = grid.to_crs([0, grid.height], [0, grid.width])
        box = transform_bounds(grid.crs or WGS84, self.crs, (min(xs), min(ys), max(xs), max(ys)))
        near = [self.features[index] for index in sorted(self._tree.query(shapely.box(*box), "intersects").tolist())]
        shapes = [(shapely.geometry.mapping(feature.geometry), feature.label) for feature in near]
        painted = paint_polygons(shapes, self.crs, grid, first_wins=self.on_conflict == "first")
        conflicts = int(painted.conflicts.sum())
        if conflicts and self.on_conflict == "error":
            raise DataError(
                f"features {', '.join(str(feature.number) for feature in near[:5])} overlap with different labels in "
                f"{conflicts} pixels of a chip; correct them, or choose on_conflict=ignore or first"
            )
        return RawLabels(painted.values, painted.valid, conflicts, tuple(feature.number for feature in near))
