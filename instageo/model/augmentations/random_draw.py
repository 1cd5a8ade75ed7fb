"""What augmentations draw on: every sample has a source of randomness of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from instageo.model.chips.sample import Sample


@dataclass(frozen=True)
class RandomState:
    """What an augmentation may draw on and needs to know of the data.

    Attributes:
        sources: Source of randomness of each sample, on the CPU, so that drawing never waits for the device.
        mean: Mean of each band, shape (C,), in the unit of the image.
        std: Standard deviation of each band, likewise.
        ignore_index: Label of pixels that do not count.
    """

    sources: tuple[torch.Generator, ...]
    mean: Tensor
    std: Tensor
    ignore_index: int

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers from low..high on the batch's device, shape (B, *shape)."""
        drawn = torch.stack([torch.rand(shape, generator=source) for source in self.sources])
        return (low + (high - low) * drawn).to(self.std.device, non_blocking=True)

    def integers(self, low: int, high: int) -> list[int]:
        """One whole number from low..high for each sample."""
        return [int(torch.randint(low, high + 1, (), generator=source)) for source in self.sources]

    def normal(self, *shape: int) -> Tensor:
        """Normally distributed numbers on the batch's device, shape (B, *shape)."""
        numbers = torch.empty(len(self.sources), *shape, device=self.std.device)
        for part, source in zip(numbers, self.sources, strict=True):
            part.normal_(generator=self._on_device(source))
        return numbers

    def _on_device(self, source: torch.Generator) -> torch.Generator:
        if self.std.device.type == "cpu":
            return source
        seed = int(torch.randint(2**32, (), generator=source))
        return torch.Generator(self.std.device).manual_seed(seed)


Augmentation = Callable[..., Sample]
"""Function of a batch, a `Draw` and parameters by name; returns the batch changed and leaves the given one as it is."""
