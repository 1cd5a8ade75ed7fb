"""The published InstaGeo head: transposed convolutions that double the resolution until it is the image's."""

from itertools import pairwise

from torch import nn

DROPOUT = 0.1


def _double(channels_in: int, channels_out: int) -> nn.Sequential:
    """(B, channels_in, h, w) to (B, channels_out, 2h, 2w)."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels_in, channels_out, kernel_size=3, stride=2, padding=1, output_padding=1),
        nn.Dropout(DROPOUT),
        nn.Conv2d(channels_out, channels_out, kernel_size=3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


def upscaling_head(channels: int, num_classes: int) -> nn.Sequential:
    """Four doublings, each halving the channels, then a 1x1 convolution to the classes.

    Takes (B, channels, h, w), returns logits (B, num_classes, 16h, 16w). Keys are those of the published
    checkpoints below `segmentation_head`.

    Args:
        channels: Width of the encoder times the number of dates; a multiple of 16.
        num_classes: Output channels.
    """
    widths = [channels // 2**level for level in range(5)]
    doublings = [_double(wide, narrow) for wide, narrow in pairwise(widths)]
    return nn.Sequential(*doublings, nn.Dropout(DROPOUT), nn.Conv2d(widths[-1], num_classes, kernel_size=1))
