"""A chip as tensors, alone or in a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate


@dataclass(frozen=True)
class Sample:
    """A chip as tensors, or a batch of them with a leading dimension.

    Attributes:
        image: Shape (C, T, H, W), float32, scaled but not normalised.
        valid: Shape (T, H, W), bool.
        label: Shape (H, W), int64; the ignored label where no date is valid. None where there is none.
        temporal_coords: Shape (T, 2), year and day of year; NaN where unknown. None is as good as all NaN.
        location_coords: Shape (2,), latitude and longitude in degrees; NaN where unknown. None is as good as all NaN.
    """

    image: Tensor
    valid: Tensor
    label: Tensor | None = None
    temporal_coords: Tensor | None = None
    location_coords: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Sample":
        """The same sample with each of its tensors changed."""
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        changed: dict[str, Any] = {name: None if value is None else change(value) for name, value in parts.items()}
        return Sample(**changed)

    def to(self, device: torch.device) -> "Sample":
        """The same sample on a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Sample":
        """The same sample in page-locked memory, from which copies to a GPU overlap with work."""
        return self.map(torch.Tensor.pin_memory)

    def window(self, rows: slice, columns: slice) -> "Sample":
        """The part of a single chip between these rows and columns."""
        label = None if self.label is None else self.label[rows, columns]
        return replace(self, image=self.image[..., rows, columns], valid=self.valid[..., rows, columns], label=label)


def stack(samples: Sequence[Sample]) -> Sample:
    """Samples of one size as a batch; what one of them lacks, the batch lacks.

    A reading process puts them straight into memory that it shares with the main one.
    """

    def batch(name: str) -> Any:
        values = [getattr(sample, name) for sample in samples]
        return None if any(value is None for value in values) else default_collate(values)

    return Sample(**{part.name: batch(part.name) for part in fields(Sample)})
