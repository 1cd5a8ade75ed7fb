"""Clusters of places: k-means on the sphere."""

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.geodesy.circles import to_xyz

MOST_ROUNDS = 100

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def find_centers(lonlat: Floats, count: int, seed: int) -> Floats:
    """Return the centres of clusters by k-means, as points of the unit sphere, shape (K, 3).

    The first centres are drawn as in k-means++ (Arthur and Vassilvitskii 2007). The result does not depend on the order
    of places.

    Args:
        lonlat: Longitude and latitude, degrees, shape (N, 2).
        count: Number of clusters.
        seed: Seed of the first centres.

    Raises:
        DataError: There are fewer different places than clusters.
    """
    points = to_xyz(lonlat[np.lexsort(lonlat.T)])
    different = len(np.unique(lonlat, axis=0))
    if different < count:
        raise DataError(
            f"{different} different places cannot form {count} clusters; use --clusters {different} or less"
        )
    centers = _draw_centers(points, count, np.random.default_rng(seed))
    members = nearest_center(points, centers)
    for _ in range(MOST_ROUNDS):
        sums = np.stack([np.bincount(members, points[:, axis], count) for axis in range(3)], axis=1)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centers = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centers)
        previous, members = members, nearest_center(points, centers)
        if (previous == members).all():
            break
    return centers


def nearest_center(points: Floats, centers: Floats) -> Indices:
    """Return the index of the nearest centre of each point of the unit sphere, shape (N,)."""
    return np.concatenate(
        [(points[start : start + 65_536] @ centers.T).argmax(axis=1) for start in range(0, len(points), 65_536)]
        or [np.zeros(0, np.intp)]
    )


def _draw_centers(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    centers = [points[rng.integers(len(points))]]
    squared = np.full(len(points), np.inf)
    for _ in range(count - 1):
        squared = np.minimum(squared, ((points - centers[-1]) ** 2).sum(axis=1))
        centers.append(points[rng.choice(len(points), p=squared / squared.sum())])
    return np.stack(centers)
