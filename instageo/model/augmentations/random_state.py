"""Random numbers for augmentations: every sample has a generator of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.model.chips.sample import Sample

MAX_FACTORS = 20
"""Uniform numbers that are multiplied before the logarithm; products of more of them could leave float32."""


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

        They are sums of exponential ones, -log of uniform ones; the logarithm of products is the fast way.

        Args:
            shape_parameter: A whole number; the variance is 1 / `shape_parameter`.
            *shape: Shape of each sample's numbers.
        """
        numbers = torch.zeros(len(self.generators), *shape, device=self.std.device)
        part = torch.empty(shape, device=self.std.device)
        for total, generator in zip(numbers, self.generators, strict=True):
            own = self._on_device(generator)
            for start in range(0, shape_parameter, MAX_FACTORS):
                product = torch.ones_like(part)
                for _ in range(min(MAX_FACTORS, shape_parameter - start)):
                    product.addcmul_(product, part.uniform_(generator=own), value=-1)  # x (1 - part), which is not 0
                total -= product.log_()
        return numbers.div_(shape_parameter)

    def _on_device(self, generator: torch.Generator) -> torch.Generator:
        """Return a generator on the batch's device, seeded from one on the CPU."""
        if self.std.device.type == "cpu":
            return generator
        seed = int(torch.randint(2**32, (), generator=generator))
        return torch.Generator(self.std.device).manual_seed(seed)


Augmentation = Callable[..., Sample]
"""Function of a batch, a `RandomState` and named parameters that returns a changed copy of the batch."""
