"""A U-Net decoder on four blocks of the encoder (after Ronneberger et al. 2015, and UNETR, Hatamizadeh et al. 2022)."""

import torch
from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec, stack_dates_as_channels
from instageo.model.heads.layers import conv_norm_relu, resize_bilinear

CHANNELS = (128, 64, 32, 16)
"""Channels of the maps at strides of 1, 1/2, 1/4 and 1/8 of a patch, from the deepest up."""


class UNetHead(nn.Module):
    """Decoder that doubles the resolution four times, from the last block to the image.

    The three earlier blocks are skip connections of the first three doublings, the image itself of the last one.
    """

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.bottom = conv_norm_relu(spec.in_channels, CHANNELS[0])
        self.skips = nn.ModuleList(nn.Conv2d(spec.in_channels, wide, kernel_size=1) for wide in CHANNELS[:3])
        self.mixes = nn.ModuleList(
            nn.Sequential(conv_norm_relu(wide + skip, narrow), conv_norm_relu(narrow, narrow))
            for wide, skip, narrow in zip(CHANNELS, CHANNELS[:3], CHANNELS[1:], strict=False)
        )
        self.finish = conv_norm_relu(CHANNELS[3] + spec.image_channels, CHANNELS[3])
        self.classify = nn.Conv2d(CHANNELS[3], spec.num_classes, kernel_size=1)

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, H, W)."""
        *earlier, deepest = (stack_dates_as_channels(tokens) for tokens in features.maps)
        rows, columns = deepest.shape[-2:]
        mixed = self.bottom(deepest)
        for level, (skip, mix) in enumerate(zip(self.skips, self.mixes, strict=True), start=1):
            size = rows * 2**level, columns * 2**level
            joined = resize_bilinear(skip(earlier[-level]), size)
            mixed = mix(torch.cat([resize_bilinear(mixed, size), joined], dim=1))
        image = features.image.flatten(1, 2)
        logits: Tensor = self.classify(self.finish(torch.cat([resize_bilinear(mixed, image.shape[-2:]), image], dim=1)))
        return logits
