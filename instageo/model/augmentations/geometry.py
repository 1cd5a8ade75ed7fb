"""Augmentations that move pixels: image, mask and label together; pixels from outside are no-data and ignored."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from instageo.model.augmentations.random_state import RandomState
from instageo.model.chips.sample import Sample, ignored_value, label_mask, zero_invalid

MAX_ASPECT = 4 / 3
"""Largest factor by which a crop is stretched more along one side than along the other."""


def hflip(batch: Sample, rng: RandomState) -> Sample:
    """Mirror left and right."""
    return _map_spatial(batch, lambda tensor: tensor.flip(-1))


def vflip(batch: Sample, rng: RandomState) -> Sample:
    """Mirror top and bottom."""
    return _map_spatial(batch, lambda tensor: tensor.flip(-2))


def rot90(batch: Sample, rng: RandomState) -> Sample:
    """Rotate by 90, 180 or 270 degrees; by 180 if height and width differ."""
    height, width = batch.image.shape[3:]
    quarters = rng.integers(1, 3) if height == width else [2] * len(batch.image)

    def rotate_each(tensor: Tensor) -> Tensor:
        return torch.stack([part.rot90(count, (-2, -1)) for part, count in zip(tensor, quarters, strict=True)])

    return _map_spatial(batch, rotate_each)


def rotate(batch: Sample, rng: RandomState, degrees: float) -> Sample:
    """Rotate about the centre by an angle from -degrees..degrees."""
    angles = rng.uniform(-degrees, degrees) * (math.pi / 180)
    height, width = batch.image.shape[3:]
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    columns = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    rows = torch.stack([sine * (width / height), cosine, zero], dim=1)
    return _warp(batch, torch.stack([columns, rows], dim=1), rng.ignore_index, padding_mode="zeros")


def resized_crop(batch: Sample, rng: RandomState, min_scale: float) -> Sample:
    """Enlarge a window with a share of the area from min_scale..1 to the size of the chip.

    The ratio of its sides is that of the chip up to a factor of `MAX_ASPECT`, as far as the window fits.
    """
    share = rng.uniform(min_scale, 1)
    aspect = (rng.uniform(-1, 1) * (-share.log()).clamp(0, math.log(MAX_ASPECT))).exp()
    width, height = (share * aspect).sqrt(), (share / aspect).sqrt()
    x, y = rng.uniform(-1, 1) * (1 - width), rng.uniform(-1, 1) * (1 - height)
    zero = torch.zeros_like(share)
    columns, rows = torch.stack([width, zero, x], dim=1), torch.stack([zero, height, y], dim=1)
    return _warp(batch, torch.stack([columns, rows], dim=1), rng.ignore_index, padding_mode="border")


def _map_spatial(batch: Sample, function: Callable[[Tensor], Tensor]) -> Sample:
    return batch.map_spatial(function, function)


def _warp(batch: Sample, transform: Tensor, ignore_index: int, *, padding_mode: str) -> Sample:
    """Resample a batch: images between valid pixels alone, labels from the nearest pixel.

    Args:
        batch: To be resampled at its own size.
        transform: Affine transform of each sample, shape (B, 2, 3), from the new position of a pixel to its old one;
            (x, y) run from -1 to 1 over the chip.
        ignore_index: Label of pixels from outside, and of pixels without a valid date.
        padding_mode: "zeros" for no-data outside the chip, "border" to repeat the pixels at the border.
    """
    grid = F.affine_grid(transform, [len(transform), 1, *batch.image.shape[3:]], align_corners=False)
    sample = partial(F.grid_sample, grid=grid, padding_mode=padding_mode, align_corners=False)
    weight = sample(batch.valid.float())
    mixed = sample(zero_invalid(batch.image, batch.valid).flatten(1, 2)).view_as(batch.image)
    image, valid = mixed.div_(weight.clamp_min(1e-6).unsqueeze(1)), weight > 0.5
    label = batch.pixel_label
    if label is None:
        return replace(batch, image=image, valid=valid)
    mask = label_mask(label, ignore_index)
    filled = label.masked_fill(~mask, 0).float()
    values, inside = sample(torch.stack([filled, mask.float()], dim=1), mode="nearest").unbind(1)
    labelled = (inside > 0.5) & valid.any(1)  # 0 outside the chip
    moved = values.to(label.dtype).masked_fill_(~labelled, ignored_value(label, ignore_index))
    return replace(batch, image=image, valid=valid, label=moved)
