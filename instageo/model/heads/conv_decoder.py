"""The decoder of the convolutional networks: from maps at 1/4, 1/8 and 1/16 of the resolution to logits of each pixel.

Coarse maps are resized bilinearly and added to finer ones. The last one is resized to the image and added to features
of every pixel's own values, so that rivers and borders lie where the image has them. No pixel has weights of its own
within a square, so maps have neither dots nor a checkerboard.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.backbones.conv import conv_batch_norm
from instageo.model.backbones.variants import ConvVariant

DROPOUT = 0.1
"""Share of the channels at a quarter of the resolution that are dropped in training."""

QUARTER = 4
"""Side of a pixel of the finest map of the encoder, image pixels."""


def _double(maps: Tensor, factor: int = 2) -> Tensor:
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


class ConvDecoder(nn.Module):
    """From the maps of a `ConvEncoder` and the image to logits.

    Args:
        variant: Its channels.
        image_channels: Bands times dates.
        num_classes: Output channels.
    """

    def __init__(self, variant: ConvVariant, *, image_channels: int, num_classes: int) -> None:
        super().__init__()
        _, quarter, eighth, sixteenth = variant.widths
        self.narrow_sixteenth = conv_batch_norm(sixteenth, eighth, 1)
        self.mix_eighth = nn.Sequential(nn.ReLU(inplace=True), conv_batch_norm(eighth, eighth), nn.ReLU(inplace=True))
        self.narrow_eighth = conv_batch_norm(eighth, quarter, 1)
        self.mix_quarter = nn.Sequential(
            nn.ReLU(inplace=True), conv_batch_norm(quarter, quarter), nn.ReLU(inplace=True), nn.Dropout2d(DROPOUT)
        )
        self.narrow_quarter = nn.Conv2d(quarter, variant.pixel_channels, kernel_size=1)
        self.pixels = nn.Conv2d(image_channels, variant.pixel_channels, kernel_size=1)
        self.classify = nn.Conv2d(variant.pixel_channels, num_classes, kernel_size=1)

    def forward(self, maps: list[Tensor], image: Tensor) -> Tensor:
        """Return logits (B, K, H, W).

        Args:
            maps: From the encoder.
            image: The image (B, C, T, H, W); H and W are multiples of 16.
        """
        quarter, eighth, sixteenth = maps
        eighth = self.mix_eighth(eighth + _double(self.narrow_sixteenth(sixteenth)))
        quarter = self.mix_quarter(quarter + _double(self.narrow_eighth(eighth)))
        context = _double(self.narrow_quarter(quarter), QUARTER)
        logits: Tensor = self.classify(F.relu(self.pixels(image.flatten(1, 2)) + context))
        return logits
