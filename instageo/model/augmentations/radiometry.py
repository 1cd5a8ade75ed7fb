"""Augmentations that change values, in any unit; nodata enters none of them."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from instageo.model.augmentations.random_draw import RandomState
from instageo.model.chips.sample import Sample, zero_invalid

SMALL = 5
"""Side of a kernel up to which one convolution in two dimensions is faster than two in one."""


def brightness(batch: Sample, draw: RandomState, limit: float) -> Sample:
    """Multiply by one factor from 1-limit..1+limit per sample."""
    return replace(batch, image=batch.image * _per_sample(draw.uniform(1 - limit, 1 + limit)))


def contrast(batch: Sample, draw: RandomState, limit: float) -> Sample:
    """Multiply the distance from the sample's mean of each band by one factor from 1-limit..1+limit per sample."""
    image, valid = zero_invalid(batch.image, batch.valid), batch.valid.unsqueeze(1)
    counted = valid.sum((2, 3, 4), keepdim=True).clamp_min(1)
    mean = image.sum((2, 3, 4), keepdim=True) / counted
    return replace(batch, image=torch.lerp(mean, image, _per_sample(draw.uniform(1 - limit, 1 + limit))))


def blur(batch: Sample, draw: RandomState, sigma: float) -> Sample:
    """Gaussian blur of `sigma` pixels over valid pixels alone; what lies outside the chip has no weight."""
    reach = math.ceil(2 * sigma)
    steps = torch.arange(-reach, reach + 1, device=batch.image.device)
    known = torch.cat([zero_invalid(batch.image, batch.valid).flatten(1, 2), batch.valid.float()], dim=1)
    mixed = _filter(known, torch.exp(-steps.square() / (2 * sigma**2)))
    layers = known.shape[1] - batch.valid.shape[1]
    share = mixed[:, layers:].clamp_min(1e-6).unsqueeze(1)
    return replace(batch, image=mixed[:, :layers].view_as(batch.image).div_(share))


def noise(batch: Sample, draw: RandomState, std: float) -> Sample:
    """Add Gaussian noise of `std` times the band's standard deviation."""
    drawn = draw.normal(*batch.image.shape[1:])
    return replace(batch, image=torch.addcmul(batch.image, drawn, (std * draw.std)[:, None, None, None], out=drawn))


def _per_sample(numbers: Tensor) -> Tensor:
    return numbers.view(-1, 1, 1, 1, 1)


def _filter(image: Tensor, taps: Tensor) -> Tensor:
    """Filter each channel of (B, C, H, W) along rows and columns; outside is 0."""
    across, down = taps[None, :], taps[:, None]
    kernels = (across, down) if len(taps) > SMALL else (down * across,)
    channels = image.shape[1]
    for kernel in kernels:
        height, width = kernel.shape
        weight, padding = kernel.expand(channels, 1, -1, -1), (height // 2, width // 2)
        image = F.conv2d(image, weight, padding=padding, groups=channels)
    return image
