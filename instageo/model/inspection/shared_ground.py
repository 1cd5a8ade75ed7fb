"""Where the chips of a table lie, and which of them overlap or touch chips of another table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.geodesy.circles import EARTH_RADIUS_KM, Circles, arc_km, to_xyz
from instageo.geodesy.distances import find_near, find_near_pairs
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.row_stats import RowStats
from instageo.table import Row

Floats = NDArray[np.float64]

MIN_TOLERANCE_KM = 1e-3
"""Distance up to which chips touch, if their pixels are smaller or of unknown size."""


@dataclass(frozen=True)
class ChipPlaces:
    """Places of chips; chips at the same place count as one.

    Attributes:
        rows: The first row at each place, N in all.
        counts: Number of rows at each place.
        corners: Corners on the unit sphere, shape (N, 4, 3); four times the same point where only that is known.
        centers: Their centres, circles of radius 0.
        circles: Circles that enclose them.
        inner_km: Radius of a circle around the centre that lies inside the chip; 0 if only a point is known.
        pixel_km: Longest side of a pixel; 0 if only a point is known.
    """

    rows: Sequence[Row]
    counts: NDArray[np.intp]
    corners: Floats
    centers: Circles
    circles: Circles
    inner_km: Floats
    pixel_km: Floats

    @property
    def have_extent(self) -> bool:
        """Whether the extent of every chip is known."""
        return bool((self.pixel_km > 0).all())


def find_places(report: TableReport, selection: Sequence[bool]) -> ChipPlaces:
    """Return the places of the selected rows of a table, as far as they are known."""
    pairs = [
        (row, stats, own_corners)
        for row, stats, selected in zip(report.rows, report.row_stats, selection, strict=True)
        if selected and (own_corners := _corners(row, stats)) is not None
    ]
    lonlat = np.array([own_corners for *_, own_corners in pairs], dtype=np.float64).reshape(-1, 4, 2)
    _, chosen, counts = np.unique(lonlat, axis=0, return_index=True, return_counts=True)
    pairs, corners = [pairs[index] for index in chosen], to_xyz(lonlat[chosen])
    middle = corners.mean(axis=1)
    middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    center = np.degrees(np.stack([np.arctan2(middle[:, 1], middle[:, 0]), np.arcsin(middle[:, 2].clip(-1, 1))], axis=1))
    radius = arc_km(np.linalg.norm(corners - middle[:, None], axis=2)).max(axis=1, initial=0)
    edges = EARTH_RADIUS_KM * np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    pixels = np.array([(stats.width, stats.height) for _, stats, _ in pairs], dtype=np.float64).reshape(-1, 2)
    centers = Circles.around(center)
    return ChipPlaces(
        [row for row, *_ in pairs],
        counts,
        corners,
        centers,
        Circles.around(center, radius),
        _inner_radius(corners, middle),
        (edges[:, :2] / np.maximum(pixels, 1)).max(axis=1, initial=0),
    )


def _inner_radius(corners: Floats, middle: Floats) -> Floats:
    """Return the distance, km, from the middle to the nearest edge, shape (N,)."""
    start, along = corners - middle[:, None], np.roll(corners, -1, axis=1) - corners
    lengths = np.linalg.norm(along, axis=2)
    distances = np.linalg.norm(np.cross(start, along), axis=2) / np.where(lengths > 0, lengths, 1)
    return EARTH_RADIUS_KM * distances.min(axis=1, initial=np.inf) if len(corners) else np.zeros(0)


def find_touching(chips: ChipPlaces, others: ChipPlaces) -> NDArray[np.bool_]:
    """Return which chips overlap or touch one of the others, shape (N,)."""
    sure = find_near(
        Circles(chips.centers.lonlat, chips.inner_km), Circles(others.centers.lonlat, others.inner_km), 0.0
    )
    open_chips = np.flatnonzero(~sure)
    tolerance = max(MIN_TOLERANCE_KM, *(float(each.pixel_km.max(initial=0)) for each in (chips, others)))
    pairs = find_near_pairs(chips.circles.take(open_chips), others.circles, tolerance)
    one, other = open_chips[pairs[:, 0]], pairs[:, 1]
    allowed = np.maximum(np.maximum(chips.pixel_km[one], others.pixel_km[other]), MIN_TOLERANCE_KM)
    touching = sure.copy()
    touching[one[footprint_gaps_km(chips.corners[one], others.corners[other]) <= allowed]] = True
    return touching


def _corners(row: Row, stats: RowStats) -> Sequence[tuple[float, float]] | None:
    """Return longitude and latitude of the corners, or four times the place that the table gives; None without one."""
    if stats.corners is not None:
        return stats.corners
    if row.lat_lon is None:
        return None
    latitude, longitude = row.lat_lon
    return [(longitude, latitude)] * 4


def footprint_gaps_km(first: Floats, second: Floats) -> Floats:
    """Return the gap of each pair of footprints: 0 or less if they overlap, else at most their distance.

    It is the widest strip, parallel to an edge, that separates them in the plane that touches the Earth between them:
    two convex shapes are apart if and only if there is one.

    Args:
        first: Corners on the unit sphere, in order, shape (N, 4, 3).
        second: Likewise.
    """
    middle = first.mean(axis=1) + second.mean(axis=1)
    up = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    east, north = _plane(up)
    shapes = [
        EARTH_RADIUS_KM * np.stack([np.einsum("nkc,nc->nk", each, axis) for axis in (east, north)], axis=2)
        for each in (first, second)
    ]
    edges = np.concatenate([np.roll(shape, -1, axis=1) - shape for shape in shapes], axis=1)
    normals = np.stack([-edges[..., 1], edges[..., 0]], axis=2)
    lengths = np.linalg.norm(normals, axis=2, keepdims=True)
    normals = normals / np.where(lengths > 0, lengths, 1)
    one, other = (np.einsum("nec,nkc->nek", normals, shape) for shape in shapes)
    strips = np.maximum(other.min(axis=2) - one.max(axis=2), one.min(axis=2) - other.max(axis=2))
    gaps: Floats = strips.max(axis=1, initial=-np.inf)
    return gaps


def _plane(up: Floats) -> tuple[Floats, Floats]:
    """Return two directions that span the plane perpendicular to `up`, each of shape (N, 3)."""
    pole = np.where(np.abs(up[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    east = np.cross(pole, up)
    east /= np.maximum(np.linalg.norm(east, axis=1, keepdims=True), 1e-12)
    return east, np.cross(up, east)
