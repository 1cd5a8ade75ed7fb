"""Great-circle distances between chips, each of which lies inside a circle on the ground.

The distance of two circles is that of their centres less both radii, and at least 0. No chip is nearer to another than
the circles around them, so a distance found here is a lower bound of the distance between footprints.
"""

from dataclasses import dataclass

import numpy as np

from instageo.geodesy.box_tree import BoxTree, Pairs, children, leaf_pairs, mark_ranges
from instageo.geodesy.circles import EARTH_RADIUS_KM, Circles, Floats, Indices, Mask, arc_km, to_xyz

TOLERANCE_KM = 1e-6
"""Margin of the bounds of boxes against rounding."""


@dataclass(frozen=True)
class NearestPair:
    """The nearest pair of two sets of circles.

    Attributes:
        distance_km: Their distance, 0 if they overlap.
        first: Index in the first set.
        second: Index in the second set.
    """

    distance_km: float
    first: int
    second: int


def find_nearest_pair(first: Circles, second: Circles) -> NearestPair | None:
    """Return the pair of one circle of each set with the least distance, None if a set is empty.

    Of pairs that overlap, any may be returned.
    """
    if not len(first) or not len(second):
        return None
    trees, pairs = _trees(first, second), _root()
    limit = np.inf
    for level in range(trees[0].depth + 1):
        low, high = _bounds(trees, level, pairs)
        limit = min(limit, high.min() + TOLERANCE_KM)
        if limit <= 0:
            best = int(high.argmin())
            pairs = pairs[0][best : best + 1], pairs[1][best : best + 1]
        else:
            pairs = _select(pairs, low <= limit)
        if level < trees[0].depth:
            pairs = children(trees, level, pairs)
    nearest = NearestPair(np.inf, 0, 0)
    for one, other in leaf_pairs(trees, pairs):
        gaps = _gaps(trees, one, other)
        best = int(gaps.argmin())
        if gaps[best] < nearest.distance_km:
            indices = trees[0].order[one[best]], trees[1].order[other[best]]
            nearest = NearestPair(float(gaps[best]), int(indices[0]), int(indices[1]))
    return NearestPair(max(nearest.distance_km, 0.0), nearest.first, nearest.second)


def find_near(first: Circles, second: Circles, distance_km: float) -> Mask:
    """Return which circles of the first set are nearer than a distance to any of the second, shape (N,).

    With a distance of 0 these are the circles that overlap one of the second set.
    """
    near = np.zeros(len(first), bool)
    if not len(first) or not len(second):
        return near
    trees, pairs = _trees(first, second), _root()
    for level in range(trees[0].depth + 1):
        low, high = _bounds(trees, level, pairs)
        sure = pairs[0][high < distance_km - TOLERANCE_KM]
        near |= mark_ranges(*trees[0].ranges(level, np.unique(sure)), len(first))
        open_nodes = ~np.logical_and.reduceat(near, trees[0].starts(level))
        pairs = _select(pairs, (low < distance_km + TOLERANCE_KM) & open_nodes[pairs[0]])
        if level < trees[0].depth:
            pairs = children(trees, level, pairs)
    for one, other in leaf_pairs(trees, pairs):
        near[one[_gaps(trees, one, other) < distance_km]] = True
    result = np.zeros(len(first), bool)
    result[trees[0].order] = near
    return result


def find_near_pairs(first: Circles, second: Circles | None, distance_km: float) -> Indices:
    """Return all pairs that are nearer than a distance, shape (M, 2), in ascending order.

    Args:
        first: Circles.
        second: Others; None for the pairs of two circles of the first set, each once with the smaller index first.
        distance_km: Distance; 0 for pairs that overlap.
    """
    others = first if second is None else second
    if not len(first) or not len(others):
        return np.zeros((0, 2), np.intp)
    trees = _trees(first, others)
    near_pairs = [np.zeros((0, 2), np.intp)]
    for one, other in leaf_pairs(trees, _near_leaves(trees, distance_km)):
        near = _gaps(trees, one, other) < distance_km
        near_pairs.append(np.stack([trees[0].order[one[near]], trees[1].order[other[near]]], axis=1))
    pairs = np.concatenate(near_pairs)
    if second is None:
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    return pairs[np.lexsort(pairs.T[::-1])]


def connect_near(circles: Circles, distance_km: float) -> Indices:
    """Return the component of each circle, shape (N,): circles nearer than a distance are in one component.

    The number of a component is the smallest index of its circles.
    """
    if not len(circles):
        return np.zeros(0, np.intp)
    trees, pairs = _trees(circles, circles), _root()
    tree, labels = trees[0], np.arange(len(circles))
    for level in range(tree.depth + 1):
        low, high = _bounds(trees, level, pairs)
        sure = _select(pairs, high < distance_km - TOLERANCE_KM)
        starts, stops = tree.ranges(level, np.unique(np.concatenate(sure)))
        chained = np.flatnonzero(mark_ranges(starts, stops - 1, len(circles)))
        labels = _merge(labels, chained, chained + 1)
        labels = _merge(labels, tree.starts(level)[sure[0]], tree.starts(level)[sure[1]])
        bounds = tree.starts(level)
        least, most = np.minimum.reduceat(labels, bounds), np.maximum.reduceat(labels, bounds)
        same = (least[pairs[0]] == most[pairs[1]]) & (most[pairs[0]] == least[pairs[1]])
        pairs = _select(pairs, (low < distance_km + TOLERANCE_KM) & ~same & (pairs[0] <= pairs[1]))
        if level < tree.depth:
            pairs = children(trees, level, pairs)
    for one, other in leaf_pairs(trees, pairs):
        apart = labels[one] != labels[other]
        one, other = one[apart], other[apart]
        near = _gaps(trees, one, other) < distance_km
        labels = _merge(labels, one[near], other[near])
    smallest = np.full(len(circles), len(circles))
    np.minimum.at(smallest, labels, tree.order)
    result = np.empty(len(circles), np.intp)
    result[tree.order] = smallest[labels]
    return result


Trees = tuple[BoxTree, BoxTree]


def _trees(first: Circles, second: Circles) -> Trees:
    points = [EARTH_RADIUS_KM * to_xyz(circles.lonlat) for circles in (first, second)]
    depth = max(map(BoxTree.depth_of, map(len, points)))
    one, other = (
        BoxTree.of(xyz, circles.radius_km, depth, EARTH_RADIUS_KM)
        for xyz, circles in zip(points, (first, second), strict=True)
    )
    return one, other


def _root() -> Pairs:
    return np.zeros(1, np.intp), np.zeros(1, np.intp)


def _near_leaves(trees: Trees, distance_km: float) -> Pairs:
    """Return the pairs of leaves that may hold circles nearer than a distance."""
    pairs = _root()
    for level in range(trees[0].depth + 1):
        pairs = _select(pairs, _bounds(trees, level, pairs)[0] < distance_km + TOLERANCE_KM)
        if level < trees[0].depth:
            pairs = children(trees, level, pairs)
    return pairs


def _select(pairs: Pairs, mask: Mask) -> Pairs:
    return pairs[0][mask], pairs[1][mask]


def _bounds(trees: Trees, level: int, pairs: Pairs) -> tuple[Floats, Floats]:
    """Return a lower and an upper bound of the distance of all circles in pairs of boxes, km; negative for overlap."""
    one, other = (tree.levels[level] for tree in trees)
    low_chord, high_chord = one.chords(other, pairs)
    low = arc_km(low_chord / EARTH_RADIUS_KM) - one.most[pairs[0]] - other.most[pairs[1]]
    return low, arc_km(high_chord / EARTH_RADIUS_KM) - one.least[pairs[0]] - other.least[pairs[1]]


def _gaps(trees: Trees, one: Indices, other: Indices) -> Floats:
    """Return the distances of circles by their positions in the trees, km; negative for overlap."""
    chord = np.linalg.norm(trees[0].points[one] - trees[1].points[other], axis=1) / EARTH_RADIUS_KM
    return arc_km(chord) - trees[0].radius[one] - trees[1].radius[other]


def _merge(labels: Indices, one: Indices, other: Indices) -> Indices:
    """Return the labels, each the smallest position of its component, after components are joined pair by pair."""
    labels = labels.copy()
    while len(one):
        first, second = labels[one], labels[other]
        apart = first != second
        one, other, first, second = one[apart], other[apart], first[apart], second[apart]
        np.minimum.at(labels, np.maximum(first, second), np.minimum(first, second))
        while (labels != labels[labels]).any():
            labels = labels[labels]
    return labels
