"""Circles on the ground, each of which encloses a chip, and great-circle distances between points.

The Earth is a sphere; on the ellipsoid distances differ by at most 0.6 %.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth."""

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Circles:
    """Circles on the ground.

    Attributes:
        lonlat: Longitude and latitude of the centres, degrees, shape (N, 2).
        radius_km: Radii, shape (N,); 0 for points.
    """

    lonlat: Floats
    radius_km: Floats

    def __post_init__(self) -> None:
        if self.lonlat.shape != (len(self.radius_km), 2):
            raise ValueError(f"lonlat {self.lonlat.shape} and radius_km {self.radius_km.shape}; expected (N, 2), (N,)")
        if not (np.isfinite(self.lonlat).all() and (np.abs(self.lonlat[:, 1]) <= 90).all()):
            raise ValueError("places must be finite, with latitudes from -90 to 90 degrees")
        if not (np.isfinite(self.radius_km) & (self.radius_km >= 0)).all():
            raise ValueError("radii must be finite and not negative")

    @classmethod
    def around(cls, lonlat: ArrayLike, radius_km: ArrayLike = 0.0) -> "Circles":
        """Return circles around points, shape (N, 2), of one radius or of N."""
        centers = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
        return cls(centers, np.broadcast_to(np.asarray(radius_km, dtype=np.float64), len(centers)).copy())

    def __len__(self) -> int:
        return len(self.radius_km)

    def take(self, selection: Indices | Mask) -> "Circles":
        """Return the circles at some indices, or where a mask is True."""
        return Circles(self.lonlat[selection], self.radius_km[selection])


def great_circle_km(first: ArrayLike, second: ArrayLike) -> Floats:
    """Return the great-circle distance between points.

    Args:
        first: Longitude and latitude, degrees, shape (..., 2).
        second: Likewise; the shapes are broadcast.
    """
    return arc_km(np.linalg.norm(to_xyz(first) - to_xyz(second), axis=-1))


def arc_km(chord: Floats) -> Floats:
    """Return the length on the ground of a chord of the unit sphere."""
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(chord / 2, 1.0))


def to_xyz(lonlat: ArrayLike) -> Floats:
    """Return points of the unit sphere, shape (..., 3)."""
    radians = np.radians(np.asarray(lonlat, dtype=np.float64))
    longitude, latitude = radians[..., 0], radians[..., 1]
    flat = np.cos(latitude)
    return np.stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)], axis=-1)
