"""Augmentation and normalisation of whole batches on the device; nodata stays nodata throughout.

To add an augmentation, write a function like `hflip` and name it in `AUGMENTATIONS`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from instageo.model.sample import Sample


@dataclass(frozen=True)
class Draw:
    """What an augmentation may draw on.

    Attributes:
        chosen: Which samples of the batch to change, shape (B,), bool.
        generator: Source of randomness.
        std: Standard deviation of each band, shape (C,), in the unit of the image.
        ignore_index: Label of pixels that come from outside.
    """

    chosen: Tensor
    generator: torch.Generator
    std: Tensor
    ignore_index: int

    def uniform(self, low: float, high: float) -> Tensor:
        """One number per sample, shape (B,)."""
        drawn = torch.rand(len(self.chosen), generator=self.generator, device=self.generator.device)
        return low + (high - low) * drawn


@dataclass(frozen=True)
class AugmentationSpec:
    """One augmentation to apply.

    Attributes:
        name: Key of `AUGMENTATIONS`.
        p: Probability for each sample.
        parameters: Further arguments of the function.
    """

    name: str
    p: float
    parameters: Mapping[str, float] = field(default_factory=dict)


def process_and_augment(
    batch: Sample,
    mean: Tensor,
    std: Tensor,
    augmentations: tuple[AugmentationSpec, ...] = (),
    generator: torch.Generator | None = None,
    ignore_index: int = -1,
) -> Sample:
    """Augment, then normalise a batch: the one way from decoded chips to the network, in training and inference.

    Args:
        batch: Image (B, C, T, H, W) in the unit of `mean`; changed copies are returned.
        mean: Shape (C,).
        std: Shape (C,).
        augmentations: Applied in order, each sample with its own draw; needs a `generator`.
        generator: Source of randomness, on the device of the batch.
        ignore_index: Label of pixels that an augmentation brings in from outside.

    Returns:
        The batch with a normalised image, 0 wherever no observation is.
    """
    for spec in augmentations:
        if generator is None:
            raise ValueError("augmentation needs a generator")
        chosen = torch.rand(len(batch.image), generator=generator, device=generator.device) < spec.p
        batch = AUGMENTATIONS[spec.name](batch, Draw(chosen, generator, std, ignore_index), **spec.parameters)
    return replace(batch, image=normalise(batch.image, batch.valid, mean, std))


def normalise(image: Tensor, valid: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(image - mean) / std by band, 0 where invalid.

    Args:
        image: Shape (..., C, T, H, W).
        valid: Shape (..., T, H, W).
        mean: Shape (C,).
        std: Shape (C,).
    """
    scaled = (image - mean[:, None, None, None]) / std[:, None, None, None]
    return scaled.masked_fill(~valid.unsqueeze(-4), 0)


def _pick(chosen: Tensor, changed: Sample, batch: Sample) -> Sample:
    def pick(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(chosen.view(-1, *[1] * (new.ndim - 1)), new, old)

    label = None
    if changed.label is not None and batch.label is not None:
        label = pick(changed.label, batch.label)
    return replace(batch, image=pick(changed.image, batch.image), valid=pick(changed.valid, batch.valid), label=label)


def _flip(batch: Sample, draw: Draw, axis: int) -> Sample:
    label = None if batch.label is None else batch.label.flip(axis)
    return _pick(
        draw.chosen, replace(batch, image=batch.image.flip(axis), valid=batch.valid.flip(axis), label=label), batch
    )


def hflip(batch: Sample, draw: Draw) -> Sample:
    """Left becomes right."""
    return _flip(batch, draw, -1)


def vflip(batch: Sample, draw: Draw) -> Sample:
    """Top becomes bottom."""
    return _flip(batch, draw, -2)


def rotate(batch: Sample, draw: Draw, degrees: float) -> Sample:
    """Turn about the centre by an angle from -degrees..degrees; corners from outside are nodata and ignored."""
    angles = draw.uniform(-degrees, degrees) * draw.chosen * (math.pi / 180)
    height, width = batch.image.shape[3:]
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    top = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    bottom = torch.stack([sine * (width / height), cosine, zero], dim=1)
    size = [len(angles), 1, height, width]
    grid = F.affine_grid(torch.stack([top, bottom], dim=1), size, align_corners=False)
    image, valid = _resample(batch.image, batch.valid, grid)
    label = None
    if batch.label is not None:
        shifted = (batch.label - draw.ignore_index)[:, None].float()
        turned = F.grid_sample(shifted, grid, mode="nearest", padding_mode="zeros", align_corners=False)
        label = turned[:, 0].round().long() + draw.ignore_index
        label = label.masked_fill(~valid.any(1), draw.ignore_index)
    return _pick(draw.chosen, replace(batch, image=image, valid=valid, label=label), batch)


def _resample(image: Tensor, valid: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Bilinear interpolation between valid pixels alone."""
    share = F.grid_sample(valid.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    known = image.masked_fill(~valid.unsqueeze(1), 0).flatten(1, 2)
    mixed = F.grid_sample(known, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return mixed.view_as(image) / share.unsqueeze(1).clamp_min(1e-6), share > 0.5


def brightness(batch: Sample, draw: Draw, limit: float) -> Sample:
    """Multiply by one factor from 1-limit..1+limit per sample."""
    factor = torch.where(
        draw.chosen, draw.uniform(1 - limit, 1 + limit), torch.ones_like(draw.chosen, dtype=torch.float)
    )
    return replace(batch, image=batch.image * factor.view(-1, 1, 1, 1, 1))


def blur(batch: Sample, draw: Draw, sigma: float) -> Sample:
    """Gaussian blur over valid pixels alone."""
    from kornia.filters import gaussian_blur2d

    side = 2 * math.ceil(2 * sigma) + 1
    kernel, width = (side, side), (sigma, sigma)
    share = gaussian_blur2d(batch.valid.float(), kernel, width)
    known = batch.image.masked_fill(~batch.valid.unsqueeze(1), 0).flatten(1, 2)
    blurred = gaussian_blur2d(known, kernel, width).view_as(batch.image) / share.unsqueeze(1).clamp_min(1e-6)
    return _pick(draw.chosen, replace(batch, image=blurred), batch)


def noise(batch: Sample, draw: Draw, std: float) -> Sample:
    """Add Gaussian noise of `std` times the band's standard deviation."""
    drawn = torch.randn(batch.image.shape, generator=draw.generator, device=draw.generator.device)
    noisy = batch.image + drawn * (std * draw.std)[:, None, None, None]
    return _pick(draw.chosen, replace(batch, image=noisy), batch)


AUGMENTATIONS: dict[str, Callable[..., Sample]] = {
    "hflip": hflip,
    "vflip": vflip,
    "rotate": rotate,
    "brightness": brightness,
    "blur": blur,
    "noise": noise,
}
