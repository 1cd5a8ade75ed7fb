"""Augmentations that move pixels: image, mask and label together; what comes from outside is nodata and ignored."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from instageo.model.augmentations.random_draw import RandomState
from instageo.model.chips.sample import Sample, ignored_value, label_mask, zero_invalid

LARGEST_ASPECT = 4 / 3
"""How much more a crop may be stretched along one side than along the other."""


def hflip(batch: Sample, draw: RandomState) -> Sample:
    """Left becomes right."""
    return _map_spatial(batch, lambda tensor: tensor.flip(-1))


def vflip(batch: Sample, draw: RandomState) -> Sample:
    """Top becomes bottom."""
    return _map_spatial(batch, lambda tensor: tensor.flip(-2))


def rot90(batch: Sample, draw: RandomState) -> Sample:
    """Turn by 90, 180 or 270 degrees; by 180 where height and width differ."""
    height, width = batch.image.shape[3:]
    quarters = draw.integers(1, 3) if height == width else [2] * len(batch.image)

    def turn(tensor: Tensor) -> Tensor:
        return torch.stack([part.rot90(count, (-2, -1)) for part, count in zip(tensor, quarters, strict=True)])

    return _map_spatial(batch, turn)


def rotate(batch: Sample, draw: RandomState, degrees: float) -> Sample:
    """Turn about the centre by an angle from -degrees..degrees."""
    angles = draw.uniform(-degrees, degrees) * (math.pi / 180)
    height, width = batch.image.shape[3:]
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    columns = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    rows = torch.stack([sine * (width / height), cosine, zero], dim=1)
    return _warp(batch, torch.stack([columns, rows], dim=1), draw.ignore_index, beyond="zeros")


def resized_crop(batch: Sample, draw: RandomState, min_scale: float) -> Sample:
    """A window with a share of the area from min_scale..1, enlarged to the whole.

    Its sides are in proportion to those of the chip up to a factor of `LARGEST_ASPECT`, as far as it fits.
    """
    share = draw.uniform(min_scale, 1)
    aspect = (draw.uniform(-1, 1) * (-share.log()).clamp(0, math.log(LARGEST_ASPECT))).exp()
    width, height = (share * aspect).sqrt(), (share / aspect).sqrt()
    x, y = draw.uniform(-1, 1) * (1 - width), draw.uniform(-1, 1) * (1 - height)
    zero = torch.zeros_like(share)
    columns, rows = torch.stack([width, zero, x], dim=1), torch.stack([zero, height, y], dim=1)
    return _warp(batch, torch.stack([columns, rows], dim=1), draw.ignore_index, beyond="border")


def _map_spatial(batch: Sample, change: Callable[[Tensor], Tensor]) -> Sample:
    return batch.map_spatial(change, change)


def _warp(batch: Sample, source: Tensor, ignore_index: int, *, beyond: str) -> Sample:
    """Resample: the image between valid pixels alone, labels from the nearest pixel.

    Args:
        batch: To be resampled at its own size.
        source: Affine map of each sample, shape (B, 2, 3), from where a pixel comes to lie to where it is taken from;
            (x, y) run from -1 to 1 over the chip.
        ignore_index: Label of pixels from outside, and of those without a valid date.
        beyond: What lies outside: "zeros" for nodata, "border" for the pixels at the border.
    """
    grid = F.affine_grid(source, [len(source), 1, *batch.image.shape[3:]], align_corners=False)
    sample = partial(F.grid_sample, grid=grid, padding_mode=beyond, align_corners=False)
    share = sample(batch.valid.float())
    mixed = sample(zero_invalid(batch.image, batch.valid).flatten(1, 2)).view_as(batch.image)
    image, valid = mixed.div_(share.clamp_min(1e-6).unsqueeze(1)), share > 0.5
    label = batch.pixel_label
    if label is None:
        return replace(batch, image=image, valid=valid)
    given = label_mask(label, ignore_index)
    filled = label.masked_fill(~given, 0).float()
    values, there = sample(torch.stack([filled, given.float()], dim=1), mode="nearest").unbind(1)
    known = (there > 0.5) & valid.any(1)  # what comes from outside is 0
    moved = values.to(label.dtype).masked_fill_(~known, ignored_value(label, ignore_index))
    return replace(batch, image=image, valid=valid, label=moved)
