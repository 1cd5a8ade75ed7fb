"""Our own head: cheap whatever the number of dates, and sharp at borders.

Two branches meet. The deep one takes four blocks of the encoder, weighs their dates by attention, and turns each patch
into a finer map by sub-pixel convolution (Shi et al. 2016). The shallow one is a few convolutions over the image at
full resolution, so that borders lie where the image has them, not where patches end.
"""

import torch
from torch import Tensor, nn

from instageo.model.heads.base import Features, HeadSpec
from instageo.model.heads.layers import stretch

FINE = 4
"""Side of the deep map's pixels, image pixels."""

PIXEL, MIDDLE, DEEP = 12, 24, 32
"""Channels at full resolution, at half of it, and at a quarter, where the branches meet."""

GROUPS = 4
"""Of channels that are normalised together."""

DROPOUT = 0.1


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, group normalisation, ReLU.

    Batch normalisation, which this was first built with, scores two to three points of mIoU less on places that were
    not trained on: its statistics are those of the training places.
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.GroupNorm(GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )


class DateAttention(nn.Module):
    """Weighted mean of the dates of each patch; the weights come from the patch's own tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Conv3d(width, 1, kernel_size=1)
        nn.init.zeros_(self.score.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, width, T, h, w) to (B, width, h, w)."""
        weights = self.score(tokens).softmax(dim=2)
        mean: Tensor = (tokens * weights).sum(dim=2)
        return mean


class LightHead(nn.Module):
    """Deep and shallow branch, joined at full resolution."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.dates = nn.ModuleList(DateAttention(spec.width) for _ in range(4)) if spec.steps > 1 else None
        side = -(-spec.patch // FINE)
        self.deepen = nn.Sequential(
            nn.Conv2d(4 * spec.width, 2 * DEEP, kernel_size=1),
            nn.GELU(),
            nn.Conv2d(2 * DEEP, DEEP * side**2, kernel_size=1),
            nn.PixelShuffle(side),
        )
        self.pixels = nn.Sequential(
            nn.Conv2d(spec.bands * spec.steps, PIXEL, kernel_size=1), nn.ReLU(inplace=True), _conv(PIXEL, PIXEL)
        )
        self.shrink = nn.Sequential(_conv(PIXEL, MIDDLE, stride=2), _conv(MIDDLE, DEEP, stride=2))
        self.mix = nn.Sequential(_conv(2 * DEEP, DEEP), _conv(DEEP, DEEP), nn.Conv2d(DEEP, PIXEL, kernel_size=1))
        self.join = nn.Sequential(_conv(2 * PIXEL, 2 * PIXEL, 1), nn.Dropout2d(DROPOUT))
        self.classify = nn.Conv2d(2 * PIXEL, spec.num_classes, kernel_size=1)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, K, H, W)."""
        if self.dates is None:
            tokens = [level.squeeze(2) for level in features.maps]
        else:
            tokens = [dates(level) for dates, level in zip(self.dates, features.maps, strict=True)]
        shallow = self.pixels(features.image.flatten(1, 2))
        shrunk = self.shrink(shallow)
        deep = stretch(self.deepen(torch.cat(tokens, dim=1)), shrunk.shape[-2:])
        mixed = stretch(self.mix(torch.cat([deep, shrunk], dim=1)), shallow.shape[-2:])
        logits: Tensor = self.classify(self.join(torch.cat([shallow, mixed], dim=1)))
        return logits
