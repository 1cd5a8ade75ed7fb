"""Points in space in a tree of boxes, whose pairs are examined level by level: few of all pairs ever are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAF = 4
"""Points in a box of the last level."""

CHUNK = 65_536
"""Pairs of boxes whose points are compared at a time."""

BITS = 21
"""Bits of a coordinate along the curve that sorts points."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Pairs = tuple[Indices, Indices]
"""Boxes of two trees, at one level."""


@dataclass(frozen=True)
class Boxes:
    """Bounds of the points of each box of a level.

    Attributes:
        low: Least coordinates, shape (B, 3).
        high: Greatest coordinates, shape (B, 3).
        least: Least radius of the points, shape (B,).
        most: Greatest radius, shape (B,).
    """

    low: Floats
    high: Floats
    least: Floats
    most: Floats

    def chords(self, other: "Boxes", pairs: Pairs) -> tuple[Floats, Floats]:
        """Return the least and the greatest distance that points of pairs of boxes can have."""
        one, two = pairs
        gap = np.maximum(self.low[one] - other.high[two], other.low[two] - self.high[one])
        reach = np.maximum(self.high[one] - other.low[two], other.high[two] - self.low[one])
        return np.linalg.norm(np.maximum(gap, 0), axis=1), np.linalg.norm(reach, axis=1)


@dataclass(frozen=True)
class BoxTree:
    """Points sorted along a curve that fills space; each box holds a stretch of it, and has two boxes below it.

    Attributes:
        order: Index of each point of the curve in the input, shape (N,).
        points: Coordinates along the curve, shape (N, 3).
        radius: Radii along the curve, shape (N,).
        levels: Boxes, from the one that holds all points to those of `LEAF` points.
    """

    order: Indices
    points: Floats
    radius: Floats
    levels: Sequence[Boxes]

    @classmethod
    def of(cls, points: Floats, radius: Floats, depth: int, extent: float) -> "BoxTree":
        """Return the tree of points with coordinates from -extent to extent.

        Args:
            points: Shape (N, 3), at least one.
            radius: Shape (N,).
            depth: Number of levels below the first; at least `depth_of(N)`.
            extent: Greatest absolute coordinate.
        """
        order = np.argsort(_curve_positions(points, extent), kind="stable")
        points, radius = points[order], radius[order]
        starts = np.arange(0, len(points), LEAF)
        boxes = Boxes(
            np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts),
            np.minimum.reduceat(radius, starts), np.maximum.reduceat(radius, starts),
        )  # fmt: skip
        levels = [boxes]
        for _ in range(depth):
            levels.append(_join(levels[-1]))
        return cls(order, points, radius, levels[::-1])

    @staticmethod
    def depth_of(count: int) -> int:
        """Return the depth at which one box holds all of some points."""
        return max(-(-count // LEAF) - 1, 0).bit_length()

    @property
    def depth(self) -> int:
        """Number of levels below the first."""
        return len(self.levels) - 1

    def starts(self, level: int) -> Indices:
        """Return the first position on the curve of each box of a level."""
        return np.arange(0, len(self.points), LEAF << (self.depth - level))

    def ranges(self, level: int, boxes: Indices) -> tuple[Indices, Indices]:
        """Return the first position on the curve of boxes, and that behind their last."""
        size = LEAF << (self.depth - level)
        return boxes * size, np.minimum((boxes + 1) * size, len(self.points))


def children(trees: tuple[BoxTree, BoxTree], level: int, pairs: Pairs) -> Pairs:
    """Return the pairs of boxes one level below pairs of boxes."""
    first = (2 * pairs[0][:, None] + np.array([0, 0, 1, 1])).ravel()
    second = (2 * pairs[1][:, None] + np.array([0, 1, 0, 1])).ravel()
    there = (first < len(trees[0].levels[level + 1].most)) & (second < len(trees[1].levels[level + 1].most))
    return first[there], second[there]


def leaf_pairs(trees: tuple[BoxTree, BoxTree], pairs: Pairs) -> Iterator[Pairs]:
    """Yield the pairs of points of pairs of boxes at the last level, as positions on the curves."""
    inside = np.arange(LEAF)
    for start in range(0, len(pairs[0]), CHUNK):
        boxes = (side[start : start + CHUNK, None] * LEAF for side in pairs)
        first, second = (box + inside for box in boxes)
        one, other = np.broadcast_arrays(first[:, :, None], second[:, None, :])
        there = (one < len(trees[0].points)) & (other < len(trees[1].points))
        if there.any():
            yield one[there], other[there]


def mark_ranges(starts: Indices, stops: Indices, count: int) -> NDArray[np.bool_]:
    """Return a mask of `count` values that is True in ranges that do not overlap."""
    steps = np.zeros(count + 1, np.intp)
    np.add.at(steps, starts, 1)
    np.add.at(steps, stops, -1)
    return np.asarray(steps[:-1].cumsum() > 0)


def _join(boxes: Boxes) -> Boxes:
    starts = np.arange(0, len(boxes.most), 2)
    return Boxes(
        np.minimum.reduceat(boxes.low, starts), np.maximum.reduceat(boxes.high, starts),
        np.minimum.reduceat(boxes.least, starts), np.maximum.reduceat(boxes.most, starts),
    )  # fmt: skip


def _curve_positions(points: Floats, extent: float) -> NDArray[np.uint64]:
    """Return the positions of points on a Z-order curve, on which near points are mostly near, too."""
    cells = np.clip((points / extent + 1) / 2 * (1 << BITS), 0, (1 << BITS) - 1).astype(np.uint64)
    spread = np.zeros((len(points), 3), np.uint64)
    for bit in range(BITS):
        spread |= ((cells >> np.uint64(bit)) & np.uint64(1)) << np.uint64(3 * bit)
    return np.asarray(spread[:, 0] | (spread[:, 1] << np.uint64(1)) | (spread[:, 2] << np.uint64(2)))
