"""The published InstaGeo head: transposed convolutions that double the resolution up to that of the image."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec, stack_dates_as_channels

DROPOUT = 0.1

DOUBLINGS = 4

PUBLISHED_600M_KERNELS = (5, 5, 5, 7)
SMALLEST_600M = 3
"""Patches per side that these kernels need for a non-empty output."""


def _build_doubling(channels_in: int, channels_out: int, kernel: int) -> nn.Sequential:
    """Build layers from (B, channels_in, h, w) to (B, channels_out, 2h + 3 - kernel, 2w + 3 - kernel)."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels_in, channels_out, kernel_size=3, stride=2, padding=1, output_padding=1),
        nn.Dropout(DROPOUT),
        nn.Conv2d(channels_out, channels_out, kernel_size=kernel, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class UpscalingHead(nn.Sequential):
    """Four doublings of the resolution, each halving the channels, then a 1x1 convolution to the classes.

    The keys are those of the published checkpoints below `segmentation_head`. With `kernels` of 3 the logits have 16
    times the size of the last map.
    """

    pyramid = False

    def __init__(self, spec: HeadSpec, kernels: Sequence[int]) -> None:
        widths = [max(spec.in_channels // 2**level, 1) for level in range(DOUBLINGS + 1)]
        doublings = [
            _build_doubling(wide, narrow, kernel)
            for (wide, narrow), kernel in zip(pairwise(widths), kernels, strict=True)
        ]
        super().__init__(*doublings, nn.Dropout(DROPOUT), nn.Conv2d(widths[-1], spec.num_classes, kernel_size=1))
        self.smallest = SMALLEST_600M if max(kernels) > 3 else 1

    def forward(self, input: HeadInput) -> Tensor:
        """Return logits (B, K, 16h, 16w) from the last block's map (B, embed_dim, T, h, w)."""
        logits = stack_dates_as_channels(input.maps[-1])
        for layer in self:
            logits = layer(logits)
        return logits


def upscaling_head(spec: HeadSpec) -> UpscalingHead:
    """Build the published head, which fits images of any size."""
    return UpscalingHead(spec, [3] * DOUBLINGS)


def upscaling_600m_head(spec: HeadSpec) -> UpscalingHead:
    """Build the head of published InstaGeo checkpoints of the 600M variants; use another head for new networks.

    Its convolutions cut off borders so that 16x16 patches come out as 224 pixels. At other sizes the network resizes
    the logits to the image, which shifts them by some pixels.
    """
    return UpscalingHead(spec, PUBLISHED_600M_KERNELS)
