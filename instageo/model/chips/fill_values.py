"""Refuse values that no network can compute with: fill values that no tag declares."""

import numpy as np
from numpy.typing import NDArray

from instageo.errors import DataError

MAX_MAGNITUDE = 1e18
"""Largest magnitude of a value in the unit of mean and std; float32 cannot hold the squares of larger ones.

Usual fill values beyond it: -3.4e38 (lowest float32), 9.97e36 (netCDF), 1e20 (CF conventions).
"""


def check_magnitude(
    image: NDArray[np.float32], stored: NDArray[np.generic], valid: NDArray[np.bool_], path: str
) -> None:
    """Check that the values of a chip are ones that a network can compute with.

    Args:
        image: Shape (C, T, H, W), scaled, 0 where invalid.
        stored: The same values as in the file, in the same shape.
        valid: Shape (T, H, W).
        path: Of the chip, for the message.

    Raises:
        DataError: A value is larger than `MAX_MAGNITUDE`; the message names chip, band and value.
    """
    if image.min() >= -MAX_MAGNITUDE and image.max() <= MAX_MAGNITUDE:
        return
    extreme = ~(np.abs(image) <= MAX_MAGNITUDE)
    first = tuple(np.argwhere(extreme)[0])
    band, date = first[:2]
    value, count = float(stored[first]), int(extreme[band, date].sum())
    clip = ", else clip it with dataloader.max_pixel_value" if value > 0 else ""
    raise DataError(
        f"{path}: band {band + 1} of date {date + 1} has the value {value!r} in {count} of {int(valid[date].sum())} "
        "valid pixels, which cannot be a measurement; if it means no-data, tag it as no-data in the file, or set "
        f"dataloader.no_data_value={value!r}{clip}"
    )
