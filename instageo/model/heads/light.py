"""The default head: cheap for any number of dates, and sharp at borders.

It joins two branches at half the resolution of the image. The deep branch takes four blocks of the encoder. The shallow
branch is a few convolutions over the image, so that borders lie where the image has them, not where patches end.

The joined map is resized bilinearly and added to features of every pixel's own values; what the sum says about a pixel
is decided by weights that all pixels share. `light_v0` had separate weights for the four pixels of a square, and drew
dots and checkerboards where it was unsure. `light_v1` added the features after a ReLU, so that they could only raise
the sum; it scored lower in regions without training data.

Channels are last in memory: the tokens have that layout, and convolutions of few channels are fastest in it, by far on
CPUs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.layers import conv_norm_relu, resize_bilinear
from instageo.model.heads.patch_decoder import DEEP_STRIDE, PatchDecoder

SQUARE = 2
"""Side of a pixel of the joined map, image pixels."""

GROUPS = 4
"""Groups of channels that are normalised together; `hidden_channels` is a multiple of it."""

NARROWING = 4
"""Ratio of `hidden_channels`, at half the resolution, to the channels at full resolution, which are the costly ones."""

DROPOUT = 0.1
"""Share of the channels of the joined map that are dropped in training."""


class LightHead(nn.Module):
    """Deep and shallow branch, joined at half the resolution, and features of every pixel's own values."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        wide, narrow = spec.hidden_channels, spec.hidden_channels // NARROWING
        self.deepen = PatchDecoder(spec)
        self.pixels: nn.Module = nn.Conv2d(spec.image_channels, narrow, 3, padding=1)
        self.squares = conv_norm_relu(narrow, wide, SQUARE, stride=SQUARE, groups=GROUPS)
        self.shrink = conv_norm_relu(wide, wide, stride=DEEP_STRIDE // SQUARE, groups=GROUPS)
        self.mix = nn.Sequential(
            conv_norm_relu(2 * wide, wide, 1, groups=GROUPS),
            conv_norm_relu(wide, wide, groups=GROUPS),
            nn.Conv2d(wide, wide, kernel_size=1),
        )
        self.keep = nn.Conv2d(wide, wide, kernel_size=1, bias=False)
        self.narrow = nn.Sequential(
            nn.GroupNorm(GROUPS, wide),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
            nn.Conv2d(wide, narrow, kernel_size=1),
        )
        self.classify = nn.Conv2d(narrow, spec.num_classes, kernel_size=1)

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, H, W)."""
        image = features.image.flatten(1, 2)
        height, width = image.shape[-2:]
        even = F.pad(image, (0, -width % SQUARE, 0, -height % SQUARE), mode="replicate")
        pixels = self.pixels(even.contiguous(memory_format=torch.channels_last))
        shallow = self.squares(F.relu(pixels))
        shrunk = self.shrink(shallow)
        deep = resize_bilinear(self.deepen(features.maps), shrunk.shape[-2:])
        mixed = resize_bilinear(self.mix(torch.cat([deep, shrunk], dim=1)), shallow.shape[-2:])
        joined = self.narrow(self.keep(shallow).add_(mixed))
        logits: Tensor = self.classify(resize_bilinear(joined, pixels.shape[-2:]).add_(pixels).relu_())
        return logits[..., :height, :width]
