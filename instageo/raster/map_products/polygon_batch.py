"""Polygons of a map as arrays: their areas, orientation and coordinates, many at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from instageo.raster.map_products.scanlines import PixelPolygon
from instageo.raster.pixel_area import HECTARES_PER_KM2, PixelAreas

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_CORNERS = 200_000
"""Corners that are converted and written at once, except those of one polygon that has more."""


@dataclass(frozen=True)
class PolygonBatch:
    """Polygons, whose outlines run counterclockwise and holes clockwise in the coordinates of the map.

    Attributes:
        numbers: Class of each of the P polygons.
        pixels: Their numbers of pixels.
        hectares: Their areas on the ground; None if the map is nowhere on Earth.
        coordinates: Corners of all R rings, in which the first one of a ring is also its last, shape (N, 2).
        ring_ends: Where rings begin, and at last end, shape (R + 1,).
        polygon_ends: Rings with which polygons begin, and at last end, shape (P + 1,).
    """

    numbers: Integers
    pixels: Integers
    hectares: Floats | None
    coordinates: Floats
    ring_ends: Integers
    polygon_ends: Integers

    def __len__(self) -> int:
        return len(self.numbers)

    def transform(self, affine: Affine) -> "PolygonBatch":
        """Return the batch with columns and rows turned into coordinates."""
        a, b, c, d, e, f = affine[:6]
        columns, rows = self.coordinates.T
        return replace(self, coordinates=np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=1))

    def add_vertices(self, spacing: int) -> "PolygonBatch":
        """Return the batch with vertices where edges, in columns and rows, cross every `spacing`-th row or column.

        Polygons that share an edge get the same vertices, so that they still meet when edges are bent.
        """
        start, end = self.coordinates[:-1], self.coordinates[1:]
        along = np.argmax(abs(end - start), axis=1)
        position = np.arange(len(along))
        first, last = start[position, along], end[position, along]
        low, high = np.minimum(first, last), np.maximum(first, last)
        lowest, highest = np.floor(low / spacing) + 1, np.ceil(high / spacing) - 1
        counts = np.maximum(highest - lowest + 1, 0).astype(np.int64)
        counts[self.ring_ends[1:-1] - 1] = 0  # from the end of a ring to the start of the next one
        before = np.concatenate([[0], np.cumsum(counts)])
        added = np.repeat(start, counts, axis=0)
        step = np.arange(len(added)) - np.repeat(before[:-1], counts)
        is_rising = np.repeat(last > first, counts)
        multiples = np.where(is_rising, np.repeat(lowest, counts) + step, np.repeat(highest, counts) - step)
        added[np.arange(len(added)), np.repeat(along, counts)] = multiples * spacing
        coordinates = np.insert(self.coordinates, np.repeat(position + 1, counts), added, axis=0)
        return replace(
            self, coordinates=coordinates, ring_ends=self.ring_ends + np.append(before, before[-1])[self.ring_ends]
        )

    def geometries(self) -> Any:
        """Return the polygons as an array of shapely's geometries."""
        import shapely

        offsets = self.ring_ends, self.polygon_ends
        return shapely.from_ragged_array(shapely.GeometryType.POLYGON, self.coordinates, offsets)


def make_batches(polygons: Iterable[PixelPolygon], areas: PixelAreas | None, affine: Affine) -> Iterator[PolygonBatch]:
    """Gather polygons, in columns and rows, in batches.

    Args:
        polygons: The polygons.
        areas: Areas of the pixels of the map; None if it is nowhere on Earth.
        affine: Transform of the map; its determinant says which way outlines have to run.
    """
    remaining = iter(polygons)
    hectares_before = None if areas is None else areas.cumulative_km2() * HECTARES_PER_KM2
    while chosen := _take(remaining):
        rings = [ring for polygon in chosen for ring in polygon.rings]
        coordinates = np.concatenate(rings)
        ring_ends = np.concatenate([[0], np.cumsum([len(ring) for ring in rings])])
        polygon_ends = np.concatenate([[0], np.cumsum([len(polygon.rings) for polygon in chosen])])
        pixels = _ring_areas(coordinates, ring_ends, coordinates.prod(axis=1))
        is_outline = np.zeros(len(rings), dtype=bool)
        is_outline[polygon_ends[:-1]] = True
        sign = np.where(is_outline, 1, -1)
        coordinates = _reverse_rings(coordinates, ring_ends, pixels * sign * affine.determinant < 0)
        hectares = None
        if areas is not None and hectares_before is not None:
            before = _interpolate(hectares_before, areas.column_ends, coordinates)
            ring_hectares = _ring_areas(coordinates, ring_ends, before)
            hectares = np.add.reduceat(abs(ring_hectares) * sign, polygon_ends[:-1])
        yield PolygonBatch(
            np.array([polygon.number for polygon in chosen], dtype=np.int64),
            np.rint(np.add.reduceat(abs(pixels) * sign, polygon_ends[:-1])).astype(np.int64),
            hectares, coordinates, ring_ends, polygon_ends,
        )  # fmt: skip


def _take(polygons: Iterator[PixelPolygon]) -> list[PixelPolygon]:
    """Return the next polygons, with about `MAX_CORNERS` corners; none at the end."""
    chosen, corners = [], 0
    for polygon in polygons:
        chosen.append(polygon)
        corners += sum(map(len, polygon.rings))
        if corners >= MAX_CORNERS:
            break
    return chosen


def _interpolate(table: Floats, column_ends: Integers, coordinates: Floats) -> Floats:
    """Return values of a table by row and end of bands of columns at columns and rows (N, 2), shape (N,)."""
    columns, rows = coordinates[:, 0], coordinates[:, 1].astype(np.int64)
    band = np.clip(np.searchsorted(column_ends, columns, side="right") - 1, 0, len(column_ends) - 2)
    share = (columns - column_ends[band]) / (column_ends[band + 1] - column_ends[band])
    values: Floats = table[rows, band] * (1 - share) + table[rows, band + 1] * share
    return values


def _ring_areas(coordinates: Floats, ring_ends: Integers, before: Floats) -> Floats:
    """Return the signed area of each ring of vertical and horizontal edges.

    Args:
        coordinates: Columns and rows, shape (N, 2).
        ring_ends: Shape (R + 1,).
        before: For each vertex, the area above it and to its left, shape (N,).
    """
    steps = np.append(np.where(np.diff(coordinates[:, 1]) == 0, 0.0, np.diff(before)), 0.0)
    steps[ring_ends[1:] - 1] = 0  # from the end of a ring to the start of the next one
    areas: Floats = np.add.reduceat(steps, ring_ends[:-1])
    return areas


def _reverse_rings(coordinates: Floats, ring_ends: Integers, is_reversed: NDArray[np.bool_]) -> Floats:
    lengths = np.diff(ring_ends)
    index = np.arange(len(coordinates))
    mirrored = np.repeat(ring_ends[:-1] + ring_ends[1:] - 1, lengths) - index
    return coordinates[np.where(np.repeat(is_reversed, lengths), mirrored, index)]
