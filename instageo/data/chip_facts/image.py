"""Facts of the image of a chip."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instageo.band_vocabulary import understand_labels
from instageo.data.chip_facts.facts import SAMPLES, ImageFacts, ImageView, Shift
from instageo.data.chip_facts.fingerprints import find_anchors, hash_pixels, look_of
from instageo.data.chip_facts.image_values import (
    StepValues,
    describe_stripes,
    ends_of,
    share_dark,
    share_outside,
    share_saturated,
    step_values,
    to_float32,
)
from instageo.data.chip_facts.registration import phase_shift
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.raster.grid import Raster

NIR = ("NIR_NARROW", "NIR_BROAD", "NIR")
"""Bands that dates are registered by; the last band in their absence."""


def image_facts(
    raster: Raster, bands: Sequence[str], settings: CleanSettings, unit: str, covered: NDArray[np.bool_] | None
) -> tuple[ImageFacts, ImageView]:
    """Return the facts of an image, and what its label is compared with.

    Args:
        raster: Its layers, one date after another.
        bands: Names of the bands of a date; empty texts where they are unknown.
        settings: Thresholds.
        unit: Unit of the values.
        covered: Where quality layers mark pixels, (T, H, W); None without them.
    """
    height, width = raster.grid.shape
    values = raster.values.reshape(-1, len(bands), height, width)
    valid: NDArray[np.bool_] = np.all(raster.valid.reshape(values.shape), axis=1)
    steps = [step_values(*pair) for pair in zip(values, valid, strict=True)]
    ends = [ends_of(step) for step in steps]
    lows, highs = (np.stack([part[index] for part in ends]) for index in range(2))
    is_reflectance = unit == "reflectance"
    outside = [share_outside(step, low, high, settings.value_range)
               for step, low, high in zip(steps, lows, highs, strict=True)]  # fmt: skip
    saturated = [share_saturated(step, high, is_reflectance=is_reflectance)
                 for step, high in zip(steps, highs, strict=True)]  # fmt: skip
    blue = bands.index("BLUE") if "BLUE" in bands else None
    dark = None if blue is None else [share_dark(step.values[blue], step.valid) for step in steps]
    mean_image = _mean_image(steps)
    look = look_of(mean_image)
    everywhere: NDArray[np.bool_] = np.all(valid, axis=0)
    observed: NDArray[np.bool_] = np.any(valid, axis=0)
    facts = ImageFacts(
        grid=raster.grid,
        dtype=raster.values.dtype.name,
        bands=tuple(bands),
        invalid=tuple(0.0 if step.is_whole else 1 - float(step.valid.mean()) for step in steps),
        never=0.0 if all(step.is_whole for step in steps) else 1 - float(observed.mean()),
        means=np.stack([step.means for step in steps]),
        lows=lows,
        highs=highs,
        outside=max(outside) if is_reflectance else 0.0,
        dark_blue=None if dark is None or not is_reflectance else min(dark),
        saturated=max(saturated),
        stripes=next((text for step in steps if (text := describe_stripes(step))), ""),
        covered=() if covered is None else tuple(float(layer.mean()) for layer in covered),
        pixel_hash=hash_pixels(raster.values, raster.valid),
        image_hash=look[0],
        thumbnail=look[1],
        samples=_samples(steps),
        anchors=find_anchors(raster.values, everywhere) if raster.grid.crs is None else None,
        shifts=_shifts(steps, bands),
    )
    return facts, ImageView(observed, mean_image)


def band_names(descriptions: Sequence[str], num_bands: int, given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the bands of a date: those given, else those that the file gives its first layers."""
    if given:
        return tuple(given)
    labels = understand_labels(tuple(descriptions))[:num_bands]
    names = [next(iter(label.bands)) if len(label.bands) == 1 else "" for label in labels]
    if any(names):
        return tuple(name or description for name, description in zip(names, descriptions, strict=False))
    return tuple(descriptions[:num_bands]) or ("",) * num_bands


def _mean_image(steps: Sequence[StepValues]) -> NDArray[np.float32]:
    """Return the mean over dates and bands, (H, W); pixels without an observation get the mean of the others."""
    if len(steps) == 1 and steps[0].is_whole:
        return steps[0].mean_image
    sums = np.sum([step.mean_image for step in steps], axis=0)
    counts = np.sum([step.valid for step in steps], axis=0)
    observed = counts > 0
    image: NDArray[np.float32] = np.divide(sums, counts, where=observed, out=np.zeros_like(sums))
    image[~observed] = image[observed].mean() if observed.any() else 0
    return image


def _samples(steps: Sequence[StepValues]) -> NDArray[np.float32]:
    height, width = steps[0].valid.shape
    rows, columns = _sample_places(height)[:, None], _sample_places(width)
    parts = []
    for step in steps:
        observed, values = step.valid[rows, columns], to_float32(step.values[:, rows, columns])
        parts.append(np.where(observed, values, np.float32(np.nan)))
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


@lru_cache(maxsize=64)
def _sample_places(size: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, size - 1, SAMPLES).astype(np.intp))


def _shifts(steps: Sequence[StepValues], bands: Sequence[str]) -> tuple[Shift, ...]:
    """Return the shift of each date from the one before it, where both are mostly observed."""
    if len(steps) == 1:
        return ()
    band = next((bands.index(name) for name in NIR if name in bands), len(bands) - 1)
    shifts = [
        phase_shift(_filled(first, band), _filled(second, band), f"date {number} against date {number - 1}")
        for number, (first, second) in enumerate(pairwise(steps), start=2)
        if min(first.count, second.count) > first.valid.size / 2
    ]
    return tuple(shift for shift in shifts if shift is not None)


def _filled(step: StepValues, band: int) -> NDArray[np.float32]:
    """Return a band with its mean in place of invalid pixels."""
    image = to_float32(step.values[band])
    if step.is_whole:
        return image
    return np.where(step.valid, image, image[step.valid].mean())
