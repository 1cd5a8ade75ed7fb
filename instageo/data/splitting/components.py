"""Groups of chips that are nearer to each other than a distance: between groups the distance holds without dropping."""

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError
from instageo.geodesy.circles import Circles
from instageo.geodesy.distances import connect_near


def find_components(circles: Circles, distance_km: float, largest_share: float) -> NDArray[np.intp]:
    """Return the component of each chip, shape (N,), numbered without regard to the order of chips.

    Args:
        circles: Circles around the chips.
        distance_km: Chips nearer than this are in one component.
        largest_share: Share of the largest part; a component may not have more chips.

    Raises:
        DataError: One component is larger than the largest part.
    """
    components = connect_near(circles, distance_km)
    largest = int(np.bincount(components).max())
    if largest > largest_share * len(circles) + 1:
        raise DataError(
            f"{largest} of {len(circles)} chips are linked by distances below {distance_km:g} km, more than the "
            f"largest part may hold ({largest_share:.0%}); use --by blocks --buffer-km {distance_km:g}, or a smaller "
            "distance"
        )
    by_place = np.lexsort(np.c_[circles.radius_km, circles.lonlat].T)
    first = np.full(len(circles), len(circles), np.intp)
    np.minimum.at(first, components[by_place], np.arange(len(circles)))
    return first[components]
