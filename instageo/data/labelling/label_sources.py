"""Where the labels of an area come from: a raster, or polygons and points of a day."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instageo.data.labelling.features import Feature
from instageo.data.matching.lonlat_boxes import Boxes, boxes_in_degrees
from instageo.errors import DataError
from instageo.raster.grid import Grid
from instageo.raster.label_warp import WarpRules, warp_labels
from instageo.raster.rasterizing import paint_polygons
from instageo.raster.warp import WGS84, Bounds, is_geographic, transform_bounds


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
    def boxes(self) -> Boxes:
        """Boxes that hold the labels."""

    def read(self, grid: Grid) -> RawLabels:
        """Return the labels on a grid."""


@dataclass(frozen=True)
class RasterSource:
    """A label raster.

    Attributes:
        number: Its position among the rasters, from 1.
        path: The file.
        bounds: West, south, east and north, degrees (WGS 84).
        rules: How it is brought onto chips.
    """

    number: int
    path: Path
    bounds: Bounds
    rules: WarpRules

    @property
    def boxes(self) -> Boxes:
        """The bounds, shape (1, 4)."""
        return boxes_in_degrees(np.array([self.bounds]), WGS84)

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
    def boxes(self) -> Boxes:
        """The box of each polygon and point."""
        import shapely

        parts = shapely.get_parts([feature.geometry for feature in self.features])
        return boxes_in_degrees(shapely.bounds(parts), self.crs)

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

        near = self._near(grid)
        shapes = [(shapely.geometry.mapping(feature.geometry), feature.label) for feature in near]
        painted = paint_polygons(shapes, self.crs, grid, first_wins=self.on_conflict == "first")
        conflicts = int(painted.conflicts.sum())
        if conflicts and self.on_conflict == "error":
            raise DataError(
                f"features {', '.join(str(feature.number) for feature in near[:5])} overlap with different labels in "
                f"{conflicts} pixels of a chip; correct them, or choose on_conflict=ignore or first"
            )
        return RawLabels(painted.values, painted.valid, conflicts, tuple(feature.number for feature in near))

    def _near(self, grid: Grid) -> list[Feature]:
        """Return the features that may touch a grid; those that cross longitude 180 may be written on either side."""
        import shapely

        xs, ys = grid.to_crs([0, grid.height], [0, grid.width])
        left, bottom, right, top = transform_bounds(grid.crs or WGS84, self.crs, (min(xs), min(ys), max(xs), max(ys)))
        boxes = [(left, bottom, right, top)]
        if is_geographic(self.crs):
            right += 360 * (right < left)
            boxes = [(left + turn, bottom, right + turn, top) for turn in (-360, 0, 360)]
        _, indices = self._tree.query([shapely.box(*box) for box in boxes], "intersects")
        return [self.features[index] for index in sorted(set(indices.tolist()))]
