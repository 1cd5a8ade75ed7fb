"""Where labels of points go so that they cover neither each other nor what is drawn."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Pair = tuple[float, float]

STEPS = (1.0, 2.0, 3.5, 5.0, 7.0)
"""Distances from the point that are tried, in gaps."""

DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Right and up of the point, in the order they are liked."""


class Box(NamedTuple):
    """A rectangle."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def area(self) -> float:
        """Its area; 0 of one that is turned inside out."""
        return max(self.right - self.left, 0) * max(self.top - self.bottom, 0)

    def common(self, other: "Box") -> "Box":
        """What lies in both; turned inside out if nothing does."""
        return Box(
            max(self.left, other.left), max(self.bottom, other.bottom),
            min(self.right, other.right), min(self.top, other.top),
        )  # fmt: skip


def place_labels(
    points: Sequence[Pair], sizes: Sequence[Pair], drawn: Sequence[Box], area: Box, *, gap: float
) -> list[Box]:
    """A box for each label, one after the other where it covers least.

    Args:
        points: What they label, x and y.
        sizes: Width and height of each label, in the same unit.
        drawn: What should not be covered.
        area: What no label leaves if it can.
        gap: Least distance of a label from its point.
    """
    placed: list[Box] = []
    for point, size in zip(points, sizes, strict=True):
        choices = list(_around(point, size, gap))
        costs = [
            sum(box.common(other).area for other in (*drawn, *placed))
            + (box.area - box.common(area).area)
            + 0.001 * box.area * rank
            for rank, box in enumerate(choices)
        ]
        placed.append(choices[costs.index(min(costs))])
    return placed


def _around(point: Pair, size: Pair, gap: float) -> Iterator[Box]:
    """Boxes around a point, those that are liked first."""
    for step in STEPS:
        for across, up in DIRECTIONS:
            left = point[0] + across * step * gap + (across - 1) * size[0] / 2
            bottom = point[1] + up * step * gap + (up - 1) * size[1] / 2
            yield Box(left, bottom, left + size[0], bottom + size[1])
