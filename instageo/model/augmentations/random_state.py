"""Random numbers for augmentations: every sample has a generator of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.model.chips.sample import Sample


@dataclass(frozen=True)
class RandomState:
    """Random generators of a batch, and statistics of the data that augmentations need.

    Attributes:
        generators: One generator for each sample, on the CPU, so that drawing never waits for the device.
        mean: Mean of each band, shape (C,), in the unit of the image.
        std: Standard deviation of each band, shape (C,), in the unit of the image.
        ignore_index: Label of pixels that do not count.
    """

    generators: tuple[torch.Generator, ...]
    mean: Tensor
    std: Tensor
    ignore_index: int

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw numbers from low..high on the batch's device, shape (B, *shape)."""
        numbers = torch.stack([torch.rand(shape, generator=generator) for generator in self.generators])
        return (low + (high - low) * numbers).to(self.std.device, non_blocking=True)

    def integers(self, low: int, high: int) -> list[int]:
        """Draw one integer from low..high, both included, for each sample."""
        return [int(torch.randint(low, high + 1, (), generator=generator)) for generator in self.generators]

    def normal(self, *shape: int) -> Tensor:
        """Draw normally distributed numbers on the batch's device, shape (B, *shape)."""
        numbers = torch.empty(len(self.generators), *shape, device=self.std.device)
        for part, generator in zip(numbers, self.generators, strict=True):
            part.normal_(generator=self._on_device(generator))
        return numbers

    def gamma(self, shape_parameter: int, *shape: int) -> Tensor:
        """Draw gamma-distributed numbers of mean 1 on the batch's device, shape (B, *shape).

        Args:
            shape_parameter: How many exponential numbers each is the mean of; the variance is 1 / `shape_parameter`.
            *shape: Shape of each sample's numbers.
        """
        numbers = torch.zeros(len(self.generators), *shape, device=self.std.device)
        part = torch.empty(shape, device=self.std.device)
        for total, generator in zip(numbers, self.generators, strict=True):
            own = self._on_device(generator)
            for _ in range(shape_parameter):
                total += part.exponential_(generator=own)
        return numbers.div_(shape_parameter)

    def _on_device(self, generator: torch.Generator) -> torch.Generator:
        """Return a generator on the batch's device, seeded from one on the CPU."""
        if self.std.device.type == "cpu":
            return generator
        seed = int(torch.randint(2**32, (), generator=generator))
        return torch.Generator(self.std.device).manual_seed(seed)


Augmentation = Callable[..., Sample]
"""Function of a batch, a `RandomState` and named parameters that returns a changed copy of the batch."""
