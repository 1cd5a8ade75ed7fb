"""The default head: cheap for any number of dates, and sharp at borders.

It joins two branches at half the resolution of the image. The deep branch takes four blocks of the encoder. The shallow
branch is a few convolutions over the image, so that borders lie where the image has them, not where patches end.

The joined map is resized bilinearly and added to details: features of each pixel and its neighbours. What the sum says
about a pixel is decided by weights that all pixels share. `light_v0` had separate weights for the four pixels of a
square, and drew dots and checkerboards where it was unsure. In `light_v1` and `light_v2` the shallow branch began with
the few channels of the details, and learned less in long trainings.

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

CHANNELS_PER_CLASS = 2
"""Channels at full resolution for each class, up to `hidden_channels`: with fewer some classes are not learned."""

SLOPE = 0.1
"""Slope of the last rectifier below zero."""

DROPOUT = 0.1
"""Share of the channels of the joined map that are dropped in training."""


class LightHead(nn.Module):
    """Deep and shallow branch, joined at half the resolution, and details at full resolution."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        wide, narrow = spec.hidden_channels, self.count_narrow(spec)
        self.deepen = PatchDecoder(spec)
        self.add_pixel_layers(spec.image_channels, wide, narrow)
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

    def count_narrow(self, spec: HeadSpec) -> int:
        """Return the number of channels at full resolution."""
        return max(spec.hidden_channels // NARROWING, min(CHANNELS_PER_CLASS * spec.num_classes, spec.hidden_channels))

    def add_pixel_layers(self, channels: int, wide: int, narrow: int) -> None:
        """Add the layers that read the image, which has a number of channels."""
        self.details = nn.Conv2d(channels, narrow, 3, padding=1)
        nn.init.zeros_(self.details.weight)  # maps begin smooth; with few steps classes were lost otherwise
        self.squares = conv_norm_relu(channels, wide, SQUARE, stride=SQUARE, groups=GROUPS)

    def read_pixels(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return details (B, narrow, H, W), and the start of the shallow branch (B, wide, H / 2, W / 2)."""
        return self.details(image), self.squares(image)

    def rectify(self, total: Tensor) -> Tensor:
        """Rectify the sum of all features, in place; a ReLU could leave all of its few channels without a gradient."""
        return F.leaky_relu_(total, SLOPE)

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, H, W)."""
        image = features.image.flatten(1, 2)
        height, width = image.shape[-2:]
        even = F.pad(image, (0, -width % SQUARE, 0, -height % SQUARE), mode="replicate")
        details, shallow = self.read_pixels(even.contiguous(memory_format=torch.channels_last))
        shrunk = self.shrink(shallow)
        deep = resize_bilinear(self.deepen(features.maps), shrunk.shape[-2:])
        mixed = resize_bilinear(self.mix(torch.cat([deep, shrunk], dim=1)), shallow.shape[-2:])
        joined = self.narrow(self.keep(shallow).add_(mixed))
        total = resize_bilinear(joined, details.shape[-2:]).add_(details)
        logits: Tensor = self.classify(self.rectify(total))
        return logits[..., :height, :width]
