"""Areas with labels of one day; which chips they need, and the label map of a chip."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.labelling.label_sources import LabelSource
from instageo.data.matching.lonlat_boxes import Boxes, clip_to_grid, pixels_of
from instageo.data.matching.placement import ChipWindow, Frame, cells
from instageo.data.observations.label_values import IGNORED_CLASS, MOST_CLASS, NO_VALUE
from instageo.errors import DataError
from instageo.raster.grid import Grid

BEFORE_180 = 180.0 - 1e-6
"""Longitude of the last search point before 180, which is the same as -180."""


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
    def boxes(self) -> Boxes:
        """Boxes that hold the labels."""
        return self.source.boxes


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
    _, near = clip_to_grid(area.boxes, frame.grid)
    if not len(near):
        return []
    windows = cells(frame, size)
    tops = np.array([[window.row - frame.row] for window in windows])
    lefts = np.array([[window.column - frame.column] for window in windows])
    first_row, last_row, first_column, last_column = pixels_of(near, frame.grid).T
    touched = (tops < last_row + 1) & (tops + size > first_row - 1)
    touched &= (lefts < last_column + 1) & (lefts + size > first_column - 1)
    result = []
    for window in (windows[index] for index in np.flatnonzero(touched.any(axis=1))):
        labels = label_of(area, window.grid)
        if labels.share > 0 and labels.share >= min_labelled:
            result.append((window, labels))
    return result


def search_points(area: LabelArea, spacing: float = 0.5) -> list[tuple[float, float]]:
    """Return longitudes and latitudes, at most that many degrees apart, that cover the boxes of an area."""
    points: dict[tuple[float, float], None] = {}
    for west, south, east, north in area.boxes.tolist():
        parts = [(west, east)] if east < 180 else [(west, BEFORE_180), (-180.0, east - 360)]
        for first, last in parts:
            longitudes, latitudes = _spread(first, last, spacing), _spread(south, north, spacing)
            points |= {(longitude, latitude): None for latitude in latitudes for longitude in longitudes}
    return list(points)


def _spread(first: float, last: float, spacing: float) -> list[float]:
    """Return evenly spaced numbers from one to another, at most `spacing` apart; both if they differ."""
    number = 1 + math.ceil((last - first) / spacing) if last > first else 1
    return [float(value) for value in np.linspace(first, last, number)]
