"""Check the arguments of `Predictor.predict` and `Predictor.encode`."""

from datetime import date

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from instageo.arguments import as_dates, as_lat_lon, as_path, expect


def image_arguments(
    source: object, dates: object, lat_lon: object
) -> tuple[str | NDArray[np.generic], tuple[date, ...], tuple[float, float] | None]:
    """Return the arguments of `predict` as `read` takes them.

    Raises:
        ConfigError: One is of a wrong kind.
    """
    pixels = source.detach().cpu().numpy() if isinstance(source, Tensor) else source
    if isinstance(pixels, np.ndarray):
        meant = f"an array of real numbers, with pixels; it is {pixels.dtype} of the shape {pixels.shape}"
        expect(pixels.dtype.kind in "biuf" and pixels.size > 0, "source", source, meant)
    else:
        pixels = as_path("source", source, "the path or URL of a raster file, or an array (C, T, H, W)")
    return pixels, as_dates("dates", dates), as_lat_lon("lat_lon", lat_lon)
