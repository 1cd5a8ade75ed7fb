"""Bands as colours: values stretched between two of their percentiles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
Limits = tuple[float, float]

RGB, POLARISATIONS = ("RED", "GREEN", "BLUE"), ("VV", "VH")

MIN_SPAN = 1e-12
"""Least distance between the limits of a stretch; keeps a constant band from a division by zero."""


def percentile_limits(values: NDArray[Any], valid: NDArray[np.bool_], low: float = 2, high: float = 98) -> Limits:
    """Return two percentiles of the valid values, or (0, 1) if none is valid.

    Args:
        values: Numbers of any shape.
        valid: Which of them count, in the same shape.
        low: Lower percentile, 0 to 100.
        high: Upper percentile, 0 to 100.
    """
    if not valid.any():
        return 0.0, 1.0
    lower, upper = np.percentile(values[valid], (low, high))
    return float(lower), float(upper)


def stretch(values: NDArray[Any], limits: Limits) -> NDArray[Any]:
    """Return values scaled linearly so that the limits become 0 and 1, clipped to that range; NaN becomes 0."""
    low, high = limits
    return np.clip(np.nan_to_num((values - low) / max(high - low, MIN_SPAN)), 0, 1)


def stretch_percentiles(
    values: NDArray[Any], valid: NDArray[np.bool_], low: float = 2, high: float = 98
) -> NDArray[Any]:
    """Return values stretched to 0..1 between two percentiles of the valid ones; see `percentile_limits`."""
    return stretch(values, percentile_limits(values, valid, low, high))


def select_rgb(image: NDArray[Any], bands: Sequence[str]) -> tuple[NDArray[Any], tuple[str, str, str]]:
    """Return the layers of one date that are drawn as red, green and blue, (3, H, W), and what they are called.

    They are the bands of these names; or, of radar, VV, VH and their difference, which in decibels is their ratio; else
    the first three bands, the last of fewer repeated.

    Args:
        image: Shape (C, H, W).
        bands: Name of each of its layers.
    """
    if set(RGB) <= set(bands):
        return image[[bands.index(name) for name in RGB]], RGB
    if set(POLARISATIONS) <= set(bands):
        vv, vh = (image[bands.index(name)] for name in POLARISATIONS)
        return np.stack([vv, vh, vv - vh]), (*POLARISATIONS, " - ".join(POLARISATIONS))
    indices = [min(index, len(bands) - 1) for index in range(3)]
    first, second, third = (bands[index] for index in indices)
    return image[indices], (first, second, third)


def rgb_image(
    layers: Sequence[NDArray[Any]] | NDArray[Any],
    valid: NDArray[np.bool_],
    *,
    limits: Sequence[Limits] | None = None,
    no_data: Color | None = None,
) -> NDArray[np.uint8]:
    """Return three bands as an 8-bit image, each band stretched by itself.

    Args:
        layers: Red, green and blue, each (H, W).
        valid: Which pixels were observed, (H, W).
        limits: Values of each band that become black and full colour; None for the 2nd and 98th percentile of its
            valid pixels.
        no_data: Colour of pixels that are not valid; None makes them transparent.

    Returns:
        (H, W, 3) with `no_data`, else (H, W, 4).
    """
    if limits is None:
        limits = [percentile_limits(layer, valid) for layer in layers]
    colors = [stretch(layer, ends) * 255 for layer, ends in zip(layers, limits, strict=True)]
    if no_data is None:
        return np.dstack([*colors, np.where(valid, 255, 0)]).astype(np.uint8)
    return np.where(valid[..., None], np.dstack(colors), no_data).astype(np.uint8)
