"""Augment and normalise whole batches on the device: the step from decoded chips to the network.

To add an augmentation, write a function like `hflip` in `augmentations/` and add it to `AUGMENTATIONS`.
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
from instageo.model.augmentations.radiometry import blur, brightness, contrast, haze, noise, speckle
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
    "haze": haze,
    "speckle": speckle,
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


@dataclass(frozen=True)
class AugmentationPlan:
    """Which augmentations one sample gets.

    Attributes:
        generator: The sample's own random generator, on the CPU.
        applied: Whether it gets each of the augmentations.
    """

    generator: torch.Generator
    applied: tuple[bool, ...]


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
        batch: Image (B, C, T, H, W) in the unit of `mean`; a changed copy is returned.
        mean: Shape (C,).
        std: Shape (C,).
        augmentations: Applied in order, with random numbers of its own for each sample; they need a `generator`.
        generator: Random generator, best on the CPU, whatever the device of the batch: a generator on another device
            makes each batch wait for it once.
        ignore_index: Label of pixels that an augmentation brings in from outside.

    Returns:
        The batch with a normalised image, 0 for pixels without an observation.

    Examples:
        >>> import torch
        >>> from instageo.model import process_and_augment
        >>> from instageo.model.augmentations.pipeline import AugmentationSpec
        >>> from instageo.model.chips.sample import Sample
        >>> batch = Sample(torch.tensor([[[[[3.0, 5.0]]]]]), torch.ones(1, 1, 1, 2, dtype=torch.bool))
        >>> mean, std, flip = torch.tensor([1.0]), torch.tensor([2.0]), [AugmentationSpec("hflip", p=1.0)]
        >>> process_and_augment(batch, mean, std, flip, torch.Generator()).image.flatten()
        tensor([2., 1.])
    """
    device = batch.image.device.type
    augmented = augment(batch, mean, std, augmentations, generator, ignore_index)
    in_place = device == "cpu" and bool(augmentations)  # then the image is a copy of the batch's
    with torch.autocast(device, enabled=False):
        image = normalize(augmented.image, augmented.valid, mean, std, in_place=in_place)
    return replace(augmented, image=image)


def augment(
    batch: Sample,
    mean: Tensor,
    std: Tensor,
    augmentations: Sequence[AugmentationSpec],
    generator: torch.Generator | None,
    ignore_index: int = -1,
) -> Sample:
    """Augment a batch without normalising it: the first half of `process_and_augment`, with the same arguments."""
    if not augmentations:
        return batch
    if generator is None:
        raise ValueError("augmentation needs a generator")
    device = batch.image.device.type
    plans = plan_augmentations(augmentations, generator, len(batch.image))
    with torch.autocast(device, enabled=False):  # half precision would misplace pixels
        apply = _augment_one_by_one if device == "cpu" else _augment_together
        return apply(batch, plans, augmentations, RandomState((), mean, std, ignore_index))


def normalize(image: Tensor, valid: Tensor, mean: Tensor, std: Tensor, *, in_place: bool = False) -> Tensor:
    """Return (image - mean) / std by band, 0 where invalid.

    Args:
        image: Shape (..., C, T, H, W), float32.
        valid: Shape (..., T, H, W).
        mean: Shape (C,).
        std: Shape (C,).
        in_place: Change `image` itself.
    """
    centred = torch.sub(image, mean[:, None, None, None], out=image if in_place else None)
    return zero_invalid(centred.div_(std[:, None, None, None]), valid, in_place=True)


def normalize_batch(image: Tensor, valid: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Change a batch to what `normalize` returns, and return it; on a CPU image by image, as one fits into its cache.

    Args:
        image: Shape (B, C, T, H, W), float32.
        valid: Shape (B, T, H, W).
        mean: Shape (C,).
        std: Shape (C,).
    """
    if image.device.type != "cpu":
        return normalize(image, valid, mean, std, in_place=True)
    for own, own_valid in zip(image, valid, strict=True):
        torch.sub(own, mean[:, None, None, None], out=own).div_(std[:, None, None, None])
        if not own_valid.all():
            zero_invalid(own, own_valid, in_place=True)
    return image


def plan_augmentations(
    augmentations: Sequence[AugmentationSpec], generator: torch.Generator, num_samples: int
) -> list[AugmentationPlan]:
    """Draw which augmentations each sample gets.

    The draw depends on the generator and the sample's position, not on the number of samples after it.
    """
    seeds = torch.randint(2**32, (num_samples,), generator=generator, device=generator.device).tolist()
    plans = []
    for seed in seeds:
        own_generator = torch.Generator().manual_seed(seed)
        numbers = torch.rand(len(augmentations), generator=own_generator).tolist()
        applied = tuple(number < spec.p for number, spec in zip(numbers, augmentations, strict=True))
        plans.append(AugmentationPlan(own_generator, applied))
    return plans


def find_augmentation(name: str) -> Augmentation:
    """Return the function called `name` in `AUGMENTATIONS`, or the user's own, named FILE.py:FUNCTION.

    Raises:
        ConfigError: The file or function does not exist.
    """
    return AUGMENTATIONS[name] if name in AUGMENTATIONS else load_user_augmentation(name)


def _augment_one_by_one(
    batch: Sample, plans: Sequence[AugmentationPlan], augmentations: Sequence[AugmentationSpec], rng: RandomState
) -> Sample:
    """Augment sample after sample, since one fits into a CPU's cache; the result is that of `_augment_together`."""
    samples = [batch.map(itemgetter(slice(index, index + 1))) for index in range(len(plans))]
    augmented = [
        _augment_together(sample, [plan], augmentations, rng) for sample, plan in zip(samples, plans, strict=True)
    ]
    return stack_samples([sample.map(itemgetter(0)) for sample in augmented])


def _augment_together(
    batch: Sample, plans: Sequence[AugmentationPlan], augmentations: Sequence[AugmentationSpec], rng: RandomState
) -> Sample:
    """Apply each augmentation to all samples that get it."""
    for number, spec in enumerate(augmentations):
        indices = [index for index, plan in enumerate(plans) if plan.applied[number]]
        if indices:
            generators = tuple(plans[index].generator for index in indices)
            batch = _augment_some(batch, indices, spec, replace(rng, generators=generators))
    return batch


def _augment_some(batch: Sample, indices: Sequence[int], spec: AugmentationSpec, rng: RandomState) -> Sample:
    """Apply one augmentation to the samples with these indices."""
    function = find_augmentation(spec.name)
    if len(indices) == len(batch.image):
        return function(batch, rng, **spec.parameters)
    index = torch.tensor(indices).to(batch.image.device, non_blocking=True)
    part = function(batch.map(lambda tensor: tensor.index_select(0, index)), rng, **spec.parameters)

    def merge(name: str) -> Any:
        old, new = getattr(batch, name), getattr(part, name)
        return None if old is None else old.index_copy(0, index, new)

    return Sample(**{entry.name: merge(entry.name) for entry in fields(Sample)})
