"""From decoded chips to the network: augmentation and normalisation of whole batches on the device.

To add an augmentation, write a function like `hflip` in `augmentations/` and name it in `AUGMENTATIONS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor

from instageo.model.augmentations import Augmentation, RandomState
from instageo.model.augmentations.dropout import band_dropout, date_dropout
from instageo.model.augmentations.geometry import hflip, resized_crop, rot90, rotate, vflip
from instageo.model.augmentations.radiometry import blur, brightness, contrast, noise
from instageo.model.augmentations.user_defined import load_user_augmentation
from instageo.model.chips.sample import Sample, stack_samples, zero_invalid

AUGMENTATIONS: dict[str, Augmentation] = {
    "hflip": hflip,
    "vflip": vflip,
    "rot90": rot90,
    "rotate": rotate,
    "resized_crop": resized_crop,
    "brightness": brightness,
    "contrast": contrast,
    "blur": blur,
    "noise": noise,
    "band_dropout": band_dropout,
    "date_dropout": date_dropout,
}


@dataclass(frozen=True)
class AugmentationSpec:
    """One augmentation to apply.

    Attributes:
        name: Key of `AUGMENTATIONS`, or FILE.py:FUNCTION.
        p: Probability for each sample.
        parameters: Further arguments of the function.
    """

    name: str
    p: float
    parameters: Mapping[str, Any] = field(default_factory=dict)


def process_and_augment(
    batch: Sample,
    mean: Tensor,
    std: Tensor,
    augmentations: Sequence[AugmentationSpec] = (),
    generator: torch.Generator | None = None,
    ignore_index: int = -1,
) -> Sample:
    """Augment, then normalise a batch: the one way from decoded chips to the network, in training and inference.

    Args:
        batch: Image (B, C, T, H, W) in the unit of `mean`; changed copies are returned.
        mean: Shape (C,).
        std: Shape (C,).
        augmentations: Applied in order, each sample with its own draw; needs a `generator`.
        generator: Source of randomness, best on the CPU, whatever the device of the batch: on another device each
            batch waits for it once.
        ignore_index: Label of pixels that an augmentation brings in from outside.

    Returns:
        The batch with a normalised image, 0 wherever no observation is.
    """
    on_cpu = batch.image.device.type == "cpu"
    changed = augment(batch, mean, std, augmentations, generator, ignore_index)
    with torch.autocast(batch.image.device.type, enabled=False):
        own = on_cpu and bool(augmentations)  # a copy of the batch's image, which nobody else sees
        return replace(changed, image=normalize(changed.image, changed.valid, mean, std, in_place=own))


def augment(
    batch: Sample,
    mean: Tensor,
    std: Tensor,
    augmentations: Sequence[AugmentationSpec],
    generator: torch.Generator | None,
    ignore_index: int = -1,
) -> Sample:
    """The first half of `process_and_augment`, with the same arguments: the batch augmented, but not normalised."""
    if not augmentations:
        return batch
    if generator is None:
        raise ValueError("augmentation needs a generator")
    with torch.autocast(batch.image.device.type, enabled=False):  # half precision would misplace pixels
        lots = plan_augmentations(augmentations, generator, len(batch.image))
        draw = RandomState((), mean, std, ignore_index)
        on_cpu = batch.image.device.type == "cpu"
        return (_one_by_one if on_cpu else _augment)(batch, lots, augmentations, draw)


def normalize(image: Tensor, valid: Tensor, mean: Tensor, std: Tensor, *, in_place: bool = False) -> Tensor:
    """(image - mean) / std by band, 0 where invalid.

    Args:
        image: Shape (..., C, T, H, W), float32.
        valid: Shape (..., T, H, W).
        mean: Shape (C,).
        std: Shape (C,).
        in_place: Change the image itself.
    """
    centred = torch.sub(image, mean[:, None, None, None], out=image if in_place else None)
    return zero_invalid(centred.div_(std[:, None, None, None]), valid, in_place=True)


@dataclass(frozen=True)
class AugmentationPlan:
    """What falls to one sample.

    Attributes:
        source: Its own source of randomness, on the CPU.
        chosen: Whether it gets each of the augmentations.
    """

    source: torch.Generator
    chosen: tuple[bool, ...]


def plan_augmentations(
    augmentations: Sequence[AugmentationSpec], generator: torch.Generator, samples: int
) -> list[AugmentationPlan]:
    """Lots of so many samples; each depends on the generator and the sample's place, not on how many come after it."""
    seeds = torch.randint(2**32, (samples,), generator=generator, device=generator.device).tolist()
    lots = []
    for seed in seeds:
        source = torch.Generator().manual_seed(seed)
        drawn = torch.rand(len(augmentations), generator=source).tolist()
        chosen = tuple(number < spec.p for number, spec in zip(drawn, augmentations, strict=True))
        lots.append(AugmentationPlan(source, chosen))
    return lots


def find_augmentation(name: str) -> Augmentation:
    """The function called `name` in `AUGMENTATIONS`, or the user's own, named FILE.py:FUNCTION.

    Raises:
        ConfigError: There is no such file or function.
    """
    return AUGMENTATIONS[name] if name in AUGMENTATIONS else load_user_augmentation(name)


def _one_by_one(
    batch: Sample, lots: Sequence[AugmentationPlan], augmentations: Sequence[AugmentationSpec], draw: RandomState
) -> Sample:
    """The same as `_augment`, sample after sample, as they fit into a CPU's cache."""
    parts = [batch.map(itemgetter(slice(place, place + 1))) for place in range(len(lots))]
    done = [_augment(part, [lot], augmentations, draw) for part, lot in zip(parts, lots, strict=True)]
    return stack_samples([part.map(itemgetter(0)) for part in done])


def _augment(
    batch: Sample, lots: Sequence[AugmentationPlan], augmentations: Sequence[AugmentationSpec], draw: RandomState
) -> Sample:
    """Apply to each sample what falls to it."""
    for number, spec in enumerate(augmentations):
        places = [place for place, lot in enumerate(lots) if lot.chosen[number]]
        if places:
            sources = tuple(lots[place].source for place in places)
            batch = _change(batch, places, spec, replace(draw, sources=sources))
    return batch


def _change(batch: Sample, places: Sequence[int], spec: AugmentationSpec, draw: RandomState) -> Sample:
    """Apply one augmentation to the samples at some places."""
    function = find_augmentation(spec.name)
    if len(places) == len(batch.image):
        return function(batch, draw, **spec.parameters)
    index = torch.tensor(places).to(batch.image.device, non_blocking=True)
    part = function(batch.map(lambda tensor: tensor.index_select(0, index)), draw, **spec.parameters)

    def put(name: str) -> Any:
        old, new = getattr(batch, name), getattr(part, name)
        return None if old is None else old.index_copy(0, index, new)

    return Sample(**{entry.name: put(entry.name) for entry in fields(Sample)})
