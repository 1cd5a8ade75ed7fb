"""Batches and random states for tests of augmentations."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from instageo.model.augmentations import RandomState, Sample
from instageo.model.augmentations.pipeline import AugmentationSpec, process_and_augment

ONE = torch.ones(1)

PARAMETERS = {
    "hflip": {}, "vflip": {}, "rot90": {}, "rotate": {"degrees": 40}, "resized_crop": {"min_scale": 0.3},
    "brightness": {"limit": 0.2}, "contrast": {"limit": 0.2},
    "haze": {"max_offset": 800, "wavelengths": (0.56,)}, "speckle": {"looks": 4}, "blur": {"sigma": 1.0},
    "noise": {"std": 0.05},
    "band_dropout": {"share": 0.4}, "date_dropout": {"share": 0.4},
}  # fmt: skip

SPECKLE = AugmentationSpec("speckle", 1, PARAMETERS["speckle"])

EVERY = tuple(AugmentationSpec(name, 1, parameters) for name, parameters in PARAMETERS.items() if name != "speckle")
"""Every augmentation of reflectance."""

GEOMETRY = EVERY[:5]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(batch, height, width):
    """Return two bands of three dates; pixels and labels hold their position."""
    numbers = torch.arange(height * width).view(height, width).expand(batch, height, width)
    image = numbers[:, None, None].float().expand(batch, 2, 3, height, width)
    return Sample(image, torch.ones(batch, 3, height, width, dtype=torch.bool), numbers)


def filled(value, height, width, batch=1):
    """Return one band of one date with the same value everywhere; the label is 1."""
    shape = batch, 1, 1, height, width
    return Sample(
        torch.full(shape, float(value)),
        torch.ones(batch, 1, height, width, dtype=torch.bool),
        torch.ones(batch, height, width, dtype=torch.long),
    )


def apply(batch, *specs, seed=0, std=None, ignore_index=-1):
    """Augment, and normalise with mean 0 and, by default, standard deviation 1."""
    std = torch.ones(batch.image.shape[1]) if std is None else std
    return process_and_augment(batch, torch.zeros_like(std), std, specs, generator(seed), ignore_index)


def random_state(batch, seed=0, mean=None, std=None, ignore_index=-1):
    """Return a random state with one generator for each sample."""
    bands = batch.image.shape[1]
    generators = tuple(generator(1000 * seed + index) for index in range(len(batch.image)))
    mean = torch.zeros(bands) if mean is None else mean
    std = torch.ones(bands) if std is None else std
    return RandomState(generators, mean, std, ignore_index)


@dataclass(frozen=True)
class ScriptedState(RandomState):
    """Random state that returns given numbers one after the other, the same for all samples or one for each."""

    numbers: Iterator[object] = field(default_factory=lambda: iter(()))

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        number = torch.as_tensor(next(self.numbers), dtype=torch.float)
        return number.expand(len(self.generators), *shape).clone()

    def integers(self, low: int, high: int) -> list[int]:
        return list(next(self.numbers))


def scripted(batch, *numbers, mean=None, ignore_index=-1):
    """Return a random state that returns these numbers."""
    state = random_state(batch, mean=mean, ignore_index=ignore_index)
    return ScriptedState(state.generators, state.mean, state.std, ignore_index, iter(numbers))
