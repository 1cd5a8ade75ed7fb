"""Square blocks of the Earth's surface with equal areas."""

import numpy as np
from numpy.typing import NDArray

from instageo.ground_circles import EARTH_RADIUS_KM


def find_blocks(lonlat: NDArray[np.float64], block_km: float) -> NDArray[np.int64]:
    """Return the number of the block of each place, shape (N,).

    Blocks lie in rows of constant height; a row has as many columns as whole blocks fit around its parallel, so that
    blocks are a little wider than high, less than twice except around the poles.

    Args:
        lonlat: Longitude and latitude, degrees, shape (N, 2).
        block_km: Height of a block.
    """
    half_circle = np.pi * EARTH_RADIUS_KM
    num_rows = max(int(half_circle // block_km), 1)
    longitude, latitude = (lonlat[:, 0] + 180) % 360, lonlat[:, 1]
    row = np.clip(((latitude + 90) / 180 * num_rows).astype(np.int64), 0, num_rows - 1)
    middle = np.radians((row + 0.5) / num_rows * 180 - 90)
    columns = np.maximum(2 * half_circle * np.cos(middle) // block_km, 1)
    column = np.minimum((longitude / 360 * columns).astype(np.int64), columns - 1)
    return np.asarray(row << 32 | column.astype(np.int64))
