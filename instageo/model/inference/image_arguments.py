"""Check the arguments of `Predictor.predict` and `Predictor.encode`, and make a sample of what they name."""

from datetime import date

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.arguments import as_dates, as_lat_lon, as_path, expect
from instageo.model.chips.dates_and_location import Coordinates
from instageo.model.chips.sample import Sample


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


def decoded_image(image: NDArray[np.float32], valid: NDArray[np.bool_], coordinates: Coordinates) -> Sample:
    """Return a decoded image with its dates and location as a sample without a label."""
    time, location = map(torch.from_numpy, coordinates)
    return Sample(torch.from_numpy(image), torch.from_numpy(valid), None, time, location)
