"""Label maps of points: a value in the pixel that contains a point, or in a square around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from instageo.data.observations.label_values import IGNORED_CLASS, NO_VALUE
from instageo.data.observations.observation import Observation
from instageo.errors import ConfigError, DataError
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, transform_coordinates

Pixels = NDArray[np.intp]


class PointStatus(StrEnum):
    """What became of an observation in a label map."""

    LABELLED = "labelled"
    CONFLICT = "conflict"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class PointLabels:
    """The label map of a chip.

    Attributes:
        values: Shape (H, W); classes are int16 with -1 for no label, values float32 with -9999.
        conflicts: Number of pixels with different labels.
        statuses: For each observation, whether the map holds its label, another label won everywhere, or it lies
            outside of the chip.
    """

    values: NDArray[np.generic]
    conflicts: int
    statuses: tuple[PointStatus, ...]


def label_map(
    grid: Grid, observations: Sequence[Observation], *, window: int = 0, on_conflict: str = "ignore",
    classes: bool = True,
) -> PointLabels:  # fmt: skip
    """Make the label map of a chip.

    The labelled pixel is the one that contains the point. Squares that overlap count like points in one pixel.

    Args:
        grid: Pixels of the chip.
        observations: Observations with labels, in the order of their table.
        window: k for squares of (2k+1) x (2k+1) pixels around the points; they end at the border of the chip.
        on_conflict: Pixels with different labels get no label (`ignore`), the label of the first observation
            (`first`), the mean of all (`mean`, values only), or are refused (`error`).
        classes: Whether labels are classes; otherwise they are values.

    Raises:
        ConfigError: A mean of classes is wanted.
        DataError: Labels differ in a pixel, and on_conflict is `error`.
    """
    if on_conflict == "mean" and classes:
        raise ConfigError("on_conflict=mean cannot average classes; choose ignore, first or error, or label_type=value")
    inside, rows, columns = _locate(grid, observations)
    labels = np.array([np.nan if o.label is None else o.label for o in observations], float)[inside]
    owners, pixels = _paint(rows, columns, window, grid.shape)
    painted = labels[owners]
    lowest, highest = (np.full(grid.height * grid.width, start) for start in (np.inf, -np.inf))
    np.minimum.at(lowest, pixels, painted)
    np.maximum.at(highest, pixels, painted)
    differ = highest > lowest
    if on_conflict == "error" and differ.any():
        raise DataError(_describe_conflict(observations, inside, owners[differ[pixels]], pixels[differ[pixels]]))
    no_label = float(IGNORED_CLASS) if classes else NO_VALUE
    values = np.where(np.isfinite(lowest), lowest, no_label)
    if on_conflict == "ignore":
        values[differ] = no_label
    elif on_conflict == "first":
        values[pixels[::-1]] = painted[::-1]  # the first observation is assigned last
    elif on_conflict == "mean":
        sums, counts = (np.bincount(pixels, weights, len(values)) for weights in (painted, None))
        values[counts > 0] = sums[counts > 0] / counts[counts > 0]
    holds = np.ones(len(pixels), bool) if on_conflict == "mean" else values[pixels] == painted
    held = np.zeros(len(labels), bool)
    held[owners[holds]] = True
    statuses = [PointStatus.OUTSIDE] * len(observations)
    for index, is_held in zip(inside.tolist(), held.tolist(), strict=True):
        statuses[index] = PointStatus.LABELLED if is_held else PointStatus.CONFLICT
    map_values = values.reshape(grid.shape).astype(np.int16 if classes else np.float32)
    return PointLabels(map_values, int(differ.sum()), tuple(statuses))


def _locate(grid: Grid, observations: Sequence[Observation]) -> tuple[Pixels, Pixels, Pixels]:
    """Return the positions of the observations in the grid, and their rows and columns."""
    longitudes = [observation.longitude for observation in observations]
    latitudes = [observation.latitude for observation in observations]
    xs, ys = (np.array(values) for values in transform_coordinates(WGS84, grid.crs or WGS84, longitudes, latitudes))
    rows, columns = (np.floor(values) for values in grid.from_crs(xs, ys))
    inside = np.flatnonzero((rows >= 0) & (rows < grid.height) & (columns >= 0) & (columns < grid.width))
    return inside, rows[inside].astype(np.intp), columns[inside].astype(np.intp)


def _paint(rows: Pixels, columns: Pixels, window: int, shape: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Return the point and the flat index of each painted pixel, point by point."""
    height, width = shape
    steps = np.arange(-window, window + 1)
    all_rows = np.broadcast_to((rows[:, None, None] + steps[:, None]), (len(rows), len(steps), len(steps)))
    all_columns = np.broadcast_to((columns[:, None, None] + steps), all_rows.shape)
    inside = (all_rows >= 0) & (all_rows < height) & (all_columns >= 0) & (all_columns < width)
    return np.nonzero(inside)[0], all_rows[inside] * width + all_columns[inside]


def _describe_conflict(observations: Sequence[Observation], inside: Pixels, owners: Pixels, pixels: Pixels) -> str:
    """Return the sentence for the first pixel with different labels."""
    members = [observations[inside[owner]] for owner in owners[pixels == pixels[0]]]
    first = members[0]
    other = next(member for member in members if member.label != first.label)
    return (
        f"rows {first.number} and {other.number} of the table lie in one pixel and have the labels {first.label:g} and "
        f"{other.label:g}; correct them, or choose on_conflict=ignore or first"
    )
