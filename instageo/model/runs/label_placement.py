"""Place labels of points so that they cover neither each other nor anything that is drawn."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Pair = tuple[float, float]

DISTANCES = (1.0, 2.0, 3.5, 5.0, 7.0)
"""Distances from the point that are tried, in gaps."""

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Directions from the point (right, up), the preferred first."""


class Box(NamedTuple):
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def area(self) -> float:
        """Its area; 0 if its sides are reversed."""
        return max(self.right - self.left, 0) * max(self.top - self.bottom, 0)

    def intersection(self, other: "Box") -> "Box":
        """Return the part in both boxes; its sides are reversed if they do not overlap."""
        return Box(
            max(self.left, other.left), max(self.bottom, other.bottom),
            min(self.right, other.right), min(self.top, other.top),
        )  # fmt: skip


def place_labels(
    points: Sequence[Pair], sizes: Sequence[Pair], obstacles: Sequence[Box], area: Box, *, gap: float
) -> list[Box]:
    """Return a box for each label, placed one after the other where it covers least.

    Args:
        points: Labelled points, x and y.
        sizes: Width and height of each label, in the same unit.
        obstacles: Boxes that should not be covered.
        area: Box that labels should not leave.
        gap: Least distance of a label from its point.
    """
    placed: list[Box] = []
    for point, size in zip(points, sizes, strict=True):
        candidates = list(_candidates(point, size, gap))
        costs = [
            sum(box.intersection(other).area for other in (*obstacles, *placed))
            + (box.area - box.intersection(area).area)
            + 0.001 * box.area * rank
            for rank, box in enumerate(candidates)
        ]
        placed.append(candidates[costs.index(min(costs))])
    return placed


def _candidates(point: Pair, size: Pair, gap: float) -> Iterator[Box]:
    """Yield boxes around a point, the preferred first."""
    for distance in DISTANCES:
        for right, up in DIRECTIONS:
            left = point[0] + right * distance * gap + (right - 1) * size[0] / 2
            bottom = point[1] + up * distance * gap + (up - 1) * size[1] / 2
            yield Box(left, bottom, left + size[0], bottom + size[1])
