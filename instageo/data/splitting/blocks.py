"""Square blocks of the Earth's surface with equal areas."""

import numpy as np
from numpy.typing import NDArray

from instageo.geodesy.circles import EARTH_RADIUS_KM, Circles

USUAL_KM = 50.0
"""Side of a block without a buffer, if there are enough blocks."""

SIDES_PER_BUFFER = 5
"""Side of a block in widths of the strip that a buffer empties around it; fewer would drop a larger share of chips."""

BLOCKS_PER_PART = 10
"""Blocks for each part below which blocks are made smaller."""

LEAST_KM = 0.1


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


def choose_block_km(circles: Circles, buffer_km: float, num_parts: int) -> float:
    """Return a side of blocks for which a buffer drops few chips and parts come near their shares.

    Args:
        circles: Circles around the chips, at least one.
        buffer_km: Least distance between chips of two parts; 0 without.
        num_parts: Number of parts.
    """
    side = 2 * float(np.median(circles.radius_km))
    strip = buffer_km + side if buffer_km else 0.0
    block_km, least = max(USUAL_KM, SIDES_PER_BUFFER * strip), max(strip, side, LEAST_KM)
    while block_km / 2 >= least and len(np.unique(find_blocks(circles.lonlat, block_km))) < BLOCKS_PER_PART * num_parts:
        block_km /= 2
    return round(block_km, 3)
