"""A chip as tensors, alone or in a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate


@dataclass(frozen=True)
class Sample:
    """A chip as tensors, or a batch of chips with a leading dimension.

    Attributes:
        image: Shape (C, T, H, W), float32, scaled but not normalised.
        valid: Shape (T, H, W), bool.
        label: Labels of the pixels, shape (H, W): classes, int64, the ignored class where no date is valid; or values,
            float32, NaN there. An image-level label has the shape (1, 1), or (K, 1, 1) where each of K classes may
            apply. None without a label.
        temporal_coords: Shape (T, 2), year and day of year; NaN where unknown. None means the same as all NaN.
        location_coords: Shape (2,), latitude and longitude in degrees; NaN where unknown. None means the same as all
            NaN.
    """

    image: Tensor
    valid: Tensor
    label: Tensor | None = None
    temporal_coords: Tensor | None = None
    location_coords: Tensor | None = None

    @property
    def pixel_label(self) -> Tensor | None:
        """The label of the pixels; None if the label is image-level or missing."""
        label = self.label
        return None if label is None or label.shape[-2:] != self.image.shape[-2:] else label

    def map(self, function: Callable[[Tensor], Tensor]) -> "Sample":
        """Return a sample with a function applied to each tensor."""
        tensors: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        changed: dict[str, Any] = {
            name: None if tensor is None else function(tensor) for name, tensor in tensors.items()
        }
        return Sample(**changed)

    def map_spatial(self, function: Callable[[Tensor], Tensor], label_function: Callable[[Tensor], Tensor]) -> "Sample":
        """Return a sample with functions applied to its pixels.

        Args:
            function: Applied to image and mask.
            label_function: Applied to the label of the pixels; an image-level label stays as it is.
        """
        label = self.pixel_label
        return replace(
            self,
            image=function(self.image),
            valid=function(self.valid),
            label=self.label if label is None else label_function(label),
        )

    def crop(self, rows: slice, columns: slice) -> "Sample":
        """Return a window of a single chip."""
        return self.map_spatial(lambda tensor: tensor[..., rows, columns], lambda label: label[rows, columns])

    def to(self, device: torch.device) -> "Sample":
        """Copy the sample to a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Sample":
        """Copy the sample to page-locked memory, from which copies to a GPU overlap with computation."""
        return self.map(torch.Tensor.pin_memory)


def stack_samples(samples: Sequence[Sample]) -> Sample:
    """Stack samples of equal size to a batch; a part that one sample lacks is None in the batch.

    In a loader's worker process the batch is created in memory that it shares with the main process.
    """

    def stack(name: str) -> Any:
        tensors = [getattr(sample, name) for sample in samples]
        return None if any(tensor is None for tensor in tensors) else default_collate(tensors)

    return Sample(**{part.name: stack(part.name) for part in fields(Sample)})


def ignored_value(label: Tensor, ignore_index: int) -> float:
    """Return the value that means "no label": NaN for values, the ignored class for classes."""
    return torch.nan if label.is_floating_point() else ignore_index


def label_mask(label: Tensor, ignore_index: int) -> Tensor:
    """Return a mask of the label's shape, bool, that is True where there is a label."""
    return label.isfinite() if label.is_floating_point() else label != ignore_index


def zero_invalid(image: Tensor, valid: Tensor, *, in_place: bool = False) -> Tensor:
    """Set pixels without an observation to 0, whatever their value, NaN included.

    The mask is applied to the bits of the numbers, which takes a sixth of the time of `masked_fill` on a CPU but passes
    no gradient.

    Args:
        image: Shape (..., C, T, H, W), float32.
        valid: Shape (..., T, H, W), bool.
        in_place: Change `image` itself.
    """
    bits = image.view(torch.int32)
    mask = -valid.unsqueeze(-4).int()
    return torch.bitwise_and(bits, mask, out=bits if in_place else None).view(torch.float32)
