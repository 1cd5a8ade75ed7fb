"""Pixels of a chip at one date: bands in the unit of chips, what is valid, and what the quality layer covers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.item import Item
from instageo.data.reading.asset_windows import AssetWindow
from instageo.data.sources.source import CHIP_NO_DATA, Source
from instageo.products.quality_flags import OBSCURING, Flag, dilate, marked, without_data

MAX_INT16 = 32767


@dataclass(frozen=True)
class Quality:
    """What the quality layer says of a chip at one date.

    Attributes:
        covered: Shape (H, W), pixels to be masked.
        observed: Shape (H, W), False where the layer has no observation.
        clear: Share of the chip's pixels that have data and no cloud, shadow or neighbourhood of these, 0 to 1.
        valid: Share of the chip's pixels that have data.
    """

    covered: NDArray[np.bool_]
    observed: NDArray[np.bool_]
    clear: float
    valid: float


def read_quality(
    layer: NDArray[np.generic], window: AssetWindow, flags: Mapping[str, Flag], mask: Sequence[str], dilate_m: float
) -> Quality:
    """Return what a quality layer says of a chip.

    Args:
        layer: The part of the file that covers the chip, with a margin.
        window: Where the chip lies in it.
        flags: Meaning of its values.
        mask: Names of the flags to mask.
        dilate_m: Distance by which masks grow, metres.
    """
    grown = dilate(marked(layer, mask, flags), dilate_m / abs(window.grid.transform.a))
    covered = window.on_chip(grown).astype(bool)
    part = window.on_chip(layer)
    observed = ~without_data(part, flags)
    clear = observed & ~marked(part, OBSCURING, flags)
    return Quality(covered, observed, float(clear.mean()), float(observed.mean()))


@dataclass(frozen=True)
class StepPixels:
    """Pixels of a chip at one date.

    Attributes:
        values: Shape (B, H, W), in type and unit of the product's chips; -9999 without an observation.
        valid: Shape (H, W), where all bands have an observation.
        saturated: How many values lay beyond the type's range, which became its largest value.
        quality: What the quality layer says; None without one.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    saturated: int
    quality: Quality | None


def combine_bands(
    bands: Mapping[str, tuple[NDArray[np.generic], NDArray[np.bool_]]],
    item: Item,
    source: Source,
    stated: str | None,
    quality: Quality | None,
) -> StepPixels:
    """Return bands, each stored values and validity of shape (H, W), in the unit of chips.

    A pixel is valid if all bands have an observation and the quality layer does not say otherwise. Validity is decided
    from the stored values, before any arithmetic; negative reflectance is kept.

    Raises:
        RefusedItemError: The values contradict what the record says of them.
    """
    valid = np.logical_and.reduce([own for _, own in bands.values()])
    if quality is not None:
        valid &= quality.observed
    decoded = {name: source.decode(stored, item, stated) for name, (stored, _) in bands.items()}
    if source.check_values is not None:
        source.check_values({name: values[valid] for name, values in decoded.items()}, item)
    layers, saturated = [], 0
    for values in decoded.values():
        if source.dtype != "int16":
            layers.append(np.where(valid, values, CHIP_NO_DATA).astype(source.dtype))
            continue
        saturated += int((values[valid] > MAX_INT16).sum())
        layers.append(np.where(valid, np.clip(np.rint(values), -9998, MAX_INT16), CHIP_NO_DATA).astype(np.int16))
    return StepPixels(np.stack(layers), valid, saturated, quality)
