"""Augmentations that change values; no-data has no influence on them.

Haze is for reflectance and speckle for radar backscatter in decibels; the others take any unit.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from instageo.model.augmentations.random_state import RandomState
from instageo.model.chips.sample import Sample, zero_invalid
from instageo.sensors import MAX_REFLECTANCE, RADAR_RANGE_DB, WAVELENGTHS_UM

SCATTERING_EXPONENTS = 0.5, 4.0
"""Exponents of the wavelength in a very hazy and in a very clear atmosphere (Chavez 1988)."""

MAX_2D_KERNEL = 5
"""Largest side of a kernel for which one convolution in two dimensions is faster than two in one dimension."""


def brightness(batch: Sample, rng: RandomState, limit: float) -> Sample:
    """Multiply by one factor from 1-limit..1+limit per sample."""
    return replace(batch, image=batch.image * _per_sample(rng.uniform(1 - limit, 1 + limit)))


def contrast(batch: Sample, rng: RandomState, limit: float) -> Sample:
    """Multiply the difference from the sample's mean of each band by one factor from 1-limit..1+limit per sample."""
    image, valid = zero_invalid(batch.image, batch.valid), batch.valid.unsqueeze(1)
    count = valid.sum((2, 3, 4), keepdim=True).clamp_min(1)
    mean = image.sum((2, 3, 4), keepdim=True) / count
    return replace(batch, image=torch.lerp(mean, image, _per_sample(rng.uniform(1 - limit, 1 + limit))))


def haze(batch: Sample, rng: RandomState, max_offset: float, wavelengths: Sequence[float]) -> Sample:
    """Add light that the atmosphere scatters, the same in all pixels of a band: offset x (wavelength / BLUE)^-k.

    Per sample, the offset in BLUE is drawn from 0..max_offset and the exponent k from 0.5..4, the scattering models
    of Chavez 1988 (https://doi.org/10.1016/0034-4257(88)90019-3) from a very hazy to a very clear atmosphere.

    Args:
        batch: Reflectance, in 0..1 or 0..10000; the mean of the bands decides which.
        rng: Random state.
        max_offset: Largest offset in BLUE, reflectance x 10000.
        wavelengths: Of each band, micrometres.
    """
    offset, exponent = rng.uniform(0, max_offset), rng.uniform(*SCATTERING_EXPONENTS)
    ratio = torch.tensor(wavelengths, device=batch.image.device) / WAVELENGTHS_UM["BLUE"]
    unit = torch.where(rng.mean.abs().max() <= MAX_REFLECTANCE, 1e-4, 1.0)
    added = unit * offset[:, None] * ratio ** -exponent[:, None]
    return replace(batch, image=batch.image + added[:, :, None, None, None])


def blur(batch: Sample, rng: RandomState, sigma: float) -> Sample:
    """Apply a Gaussian blur of `sigma` pixels over valid pixels alone; pixels outside the chip have no weight."""
    radius = math.ceil(2 * sigma)
    offsets = torch.arange(-radius, radius + 1, device=batch.image.device)
    masked = torch.cat([zero_invalid(batch.image, batch.valid).flatten(1, 2), batch.valid.float()], dim=1)
    mixed = _filter(masked, torch.exp(-offsets.square() / (2 * sigma**2)))
    num_layers = masked.shape[1] - batch.valid.shape[1]
    weight = mixed[:, num_layers:].clamp_min(1e-6).unsqueeze(1)
    return replace(batch, image=mixed[:, :num_layers].view_as(batch.image).div_(weight))


def noise(batch: Sample, rng: RandomState, std: float) -> Sample:
    """Add Gaussian noise of `std` times the band's standard deviation."""
    numbers = rng.normal(*batch.image.shape[1:])
    return replace(batch, image=torch.addcmul(batch.image, numbers, (std * rng.std)[:, None, None, None], out=numbers))


def speckle(batch: Sample, rng: RandomState, looks: int) -> Sample:
    """Multiply radar power by speckle: gamma-distributed numbers of mean 1 and variance 1 / looks, one for each value.

    This is the multiplicative model of the intensity of an image with that many independent looks (Goodman 1976,
    https://doi.org/10.1364/JOSA.66.001145; Lee 1980, https://doi.org/10.1109/TPAMI.1980.4766994). Images hold
    decibels, so 10 log10 of the numbers is added, and the result is clipped as files are.

    Args:
        batch: Backscatter, decibels.
        rng: Random state.
        looks: Number of looks; the fewer, the stronger.
    """
    decibels = rng.gamma(looks, *batch.image.shape[1:]).clamp_min_(1e-6).log10_().mul_(10)
    return replace(batch, image=decibels.add_(batch.image).clamp_(*RADAR_RANGE_DB))


def _per_sample(numbers: Tensor) -> Tensor:
    return numbers.view(-1, 1, 1, 1, 1)


def _filter(image: Tensor, taps: Tensor) -> Tensor:
    """Filter each channel of (B, C, H, W) along rows and columns, with zeros outside."""
    across, down = taps[None, :], taps[:, None]
    kernels = (across, down) if len(taps) > MAX_2D_KERNEL else (down * across,)
    channels = image.shape[1]
    for kernel in kernels:
        height, width = kernel.shape
        weight, padding = kernel.expand(channels, 1, -1, -1), (height // 2, width // 2)
        image = F.conv2d(image, weight, padding=padding, groups=channels)
    return image
