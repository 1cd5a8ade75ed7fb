"""Layers that several heads share."""

import torch.nn.functional as F
from torch import Tensor, nn

NORM_GROUPS = 8


def conv_norm_relu(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Sequential:
    """Build a convolution that keeps height and width, group normalisation (also right for batches of one), and ReLU.

    `channels_out` is a multiple of `NORM_GROUPS`.
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(NORM_GROUPS, channels_out),
        nn.ReLU(),
    )


def resize_bilinear(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize (B, C, h, w) to (B, C, *size) bilinearly; return the image itself if it has that size."""
    if image.shape[-2:] == size:
        return image
    return F.interpolate(image, size=size, mode="bilinear", align_corners=False)
