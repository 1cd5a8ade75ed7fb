"""Areas with labels of one day; which chips they need, and the label map of a chip."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.labelling.label_sources import LabelSource
from instageo.data.matching.placement import ChipWindow, Frame, cells
from instageo.data.observations.label_values import IGNORED_CLASS, MOST_CLASS, NO_VALUE
from instageo.errors import DataError, RasterError
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, Bounds, transform_bounds


@dataclass(frozen=True)
class LabelArea:
    """An area with labels of one day.

    Attributes:
        name: File, or file and date, for messages.
        day: Date of the labels.
        source: The labels.
        classes: Whether labels are classes; otherwise they are values.
    """

    name: str
    day: date
    source: LabelSource
    classes: bool

    @property
    def bounds(self) -> Bounds:
        """Bounds, degrees (WGS 84)."""
        return self.source.bounds


@dataclass(frozen=True)
class AreaLabels:
    """The label map of a chip.

    Attributes:
        values: Shape (H, W); classes are int16 with -1 for no label, values float32 with -9999.
        counts: Labelled pixels of each class; empty for values.
        share: Share of pixels that have a label, 0 to 1.
        conflicts: Pixels in which features with different labels overlap.
        numbers: Numbers of the features in it, or of the raster.
    """

    values: NDArray[np.generic]
    counts: Mapping[int, int]
    share: float
    conflicts: int
    numbers: tuple[int, ...]


def label_of(area: LabelArea, grid: Grid) -> AreaLabels:
    """Return the label map of a chip.

    Raises:
        RasterError: The label raster is unreadable.
        DataError: Labels of classes are not whole numbers from -1 to 32767.
    """
    raw = area.source.read(grid)
    if not area.classes:
        values = np.where(raw.valid, raw.values, NO_VALUE).astype(np.float32)
        return AreaLabels(values, {}, float(raw.valid.mean()), raw.conflicts, raw.numbers)
    present = np.unique(raw.values[raw.valid])
    wrong = present[(present != np.floor(present)) | (present < IGNORED_CLASS) | (present > MOST_CLASS)]
    if len(wrong):
        raise DataError(
            f"{area.name}: has the label {wrong[0]:g}, but classes are whole numbers from 0 to {MOST_CLASS}, or "
            f"{IGNORED_CLASS}; pass --label-no-data {wrong[0]:g} if it means no label, --class-map for other codes, or "
            "--label-type value for measured values"
        )
    classes = np.where(raw.valid, raw.values, IGNORED_CLASS).astype(np.int16)
    values, counts = np.unique(classes[classes >= 0], return_counts=True)
    numbers = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return AreaLabels(classes, numbers, float((classes >= 0).mean()), raw.conflicts, raw.numbers)


def chips_of(
    area: LabelArea, frame: Frame, size: int, *, min_labelled: float = 0.0
) -> list[tuple[ChipWindow, AreaLabels]]:
    """Return the cells of a tile that an area labels, in row-major order, and their labels.

    Args:
        area: Labels.
        frame: Tile; cells are counted from its corner, as those of points.
        size: Side of a chip, pixels.
        min_labelled: Smallest share of labelled pixels; cells need at least one.
    """
    try:
        west, south, east, north = transform_bounds(WGS84, frame.grid.crs or WGS84, area.bounds)
    except RasterError:  # the area is so far away that it has no place in the tile's reference system
        return []
    rows, columns = frame.grid.from_crs(np.array([west, east]), np.array([north, south]))
    result = []
    for window in cells(frame, size):
        top, left = window.row - frame.row, window.column - frame.column
        if top + size <= rows.min() or top >= rows.max() or left + size <= columns.min() or left >= columns.max():
            continue
        labels = label_of(area, window.grid)
        if labels.share > 0 and labels.share >= min_labelled:
            result.append((window, labels))
    return result


def search_points(area: LabelArea, spacing: float = 0.5) -> list[tuple[float, float]]:
    """Return longitudes and latitudes, at most that many degrees apart, that cover the bounds of an area."""
    west, south, east, north = area.bounds
    longitudes, latitudes = (
        np.linspace(first, last, 1 + int(np.ceil((last - first) / spacing)) if last > first else 1).tolist()
        for first, last in ((west, east), (south, north))
    )
    return [(longitude, latitude) for latitude in latitudes for longitude in longitudes]
