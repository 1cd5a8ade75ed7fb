"""Decide what the scale and offset tags of a file mean for the unit of its values.

A layer tagged with scale s and offset o holds s * x + o, where x is a stored value. The settings read a stored value as
`multiplier` * x + `offset`, in the unit of the network's mean and std; by default that is reflectance x 10000.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from instageo.errors import LayerError
from instageo.model.chips.chip_format import ChipFormat, LayerScaling
from instageo.raster.grid import RasterInfo

UNTAGGED = 1.0, 0.0


@dataclass(frozen=True)
class TagReading:
    """What the tags of a file mean.

    Attributes:
        scaling: Factor and offset of each layer in place of those in the settings; None for those of the settings.
        factor: Factor from the tags' physical values to the unit of the network's mean and std; None without tags.
        notes: Sentences for the log.
    """

    scaling: LayerScaling | None = None
    factor: float | None = None
    notes: tuple[str, ...] = ()


def read_scale_tags(info: RasterInfo, layers: Sequence[int], chip_format: ChipFormat, path: str) -> TagReading:
    """Return what the scale and offset tags of the layers that are read mean.

    - `ignore`: values as stored, in the unit that the settings give.
    - `apply`: the values s * x + o of tagged layers are multiplied by `tag_factor`; others are read by the settings.
    - `auto`: tags that agree with the settings, because one k has `multiplier` = k * s and `offset` = k * o, change
      nothing. If only the offset is new (`multiplier` = `tag_factor` * s, and the settings have none), it is applied,
      and a note says so. Any other tags are refused.

    Raises:
        LayerError: The tags contradict the settings, each other, or those of the training files.
    """
    mode, tags = chip_format.rules.scale_tags, [(info.scales[layer], info.offsets[layer]) for layer in layers]
    if mode == "ignore" or all(tag == UNTAGGED for tag in tags):
        return TagReading()
    unusable = [tag for tag in tags if not (math.isfinite(tag[0]) and math.isfinite(tag[1]) and tag[0])]
    if unusable:
        raise LayerError(
            f"{path}: a layer has {describe_tags(unusable)}, which cannot be applied",
            "dataloader.scale_tags=ignore reads values as stored",
        )
    if mode == "apply":
        return _apply_tags(tags, chip_format)
    return _agree(tags, chip_format, path)


def describe_tags(tags: Sequence[tuple[float, float]]) -> str:
    """Return the different tags of several layers in words."""
    each = dict.fromkeys(tags)
    return " and ".join(f"scale {scale:.7g}, offset {offset:.7g}" for scale, offset in list(each)[:3])


def _apply_tags(tags: Sequence[tuple[float, float]], chip_format: ChipFormat) -> TagReading:
    given_factor, own = chip_format.rules.tag_factor, (chip_format.multiplier, chip_format.offset)
    factor, added = chip_format.tag_factor, 0.0 if given_factor is not None else chip_format.offset
    scaling = tuple(
        own if tag == UNTAGGED else (_rounded(factor * tag[0]), _rounded(factor * tag[1]) + added) for tag in tags
    )
    note = f"the tags of the layers ({describe_tags(tags)}) are applied, as dataloader.scale_tags=apply says"
    return TagReading(scaling, factor if not added else None, (note,))


def _agree(tags: Sequence[tuple[float, float]], chip_format: ChipFormat, path: str) -> TagReading:
    multiplier, offset, unit = chip_format.multiplier, chip_format.offset, chip_format.tag_factor
    factors: list[float] = []
    scaling: list[tuple[float, float]] = []
    for scale, shift in tags:
        factor = unit if (scale, shift) == UNTAGGED else multiplier / scale
        if (scale, shift) == UNTAGGED or _close(factor * shift, offset):
            scaling.append((multiplier, offset))
        elif offset == 0 and _close(unit * scale, multiplier):
            scaling.append((multiplier, _rounded(unit * shift)))
        else:
            raise LayerError(
                f"{path}: its layers have the tags {describe_tags(tags)}, but the settings read stored values "
                f"x {multiplier:g} + {offset:g}",
                describe_choices(chip_format.tag_factor),
            )
        factors.append(factor)
    if not all(_close(factor, factors[0]) for factor in factors):
        raise LayerError(
            f"{path}: its layers have different tags ({describe_tags(tags)})", describe_choices(chip_format.tag_factor)
        )
    if chip_format.rules.tag_factor is not None and not _close(factors[0], chip_format.rules.tag_factor):
        raise LayerError(
            f"{path}: its layers have the tags {describe_tags(tags)}, but scale "
            f"{multiplier / chip_format.rules.tag_factor:.7g} is expected, as the sensor or the training files have it",
            describe_choices(chip_format.tag_factor),
        )
    if all(layer == (multiplier, offset) for layer in scaling):
        return TagReading(None, factors[0])
    note = (
        f"the offset in the tags of the layers ({describe_tags(tags)}) is applied; dataloader.scale_tags=ignore reads "
        "values as stored"
    )
    return TagReading(tuple(scaling), factors[0], (note,))


def _close(first: float, second: float) -> bool:
    """Return whether two numbers agree to the precision of tags that were written as 32-bit numbers."""
    return math.isclose(first, second, rel_tol=1e-5, abs_tol=1e-9)


def _rounded(number: float) -> float:
    """Return a number without the noise of tags that were written as 32-bit numbers."""
    return float(f"{number:.7g}")


def describe_choices(tag_factor: float) -> str:
    """Return what a user can do about tags that do not fit; `tag_factor` is what `apply` multiplies by."""
    return (
        f"dataloader.scale_tags=apply reads them as {tag_factor:.7g} x (scale x value + offset), "
        "dataloader.scale_tags=ignore reads values as stored"
    )
