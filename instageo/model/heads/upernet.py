"""UPerNet on a pyramid made of four blocks of the encoder (Xiao et al. 2018, Unified Perceptual Parsing)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec, stack_dates_as_channels
from instageo.model.heads.layers import conv_norm_relu, resize_bilinear

CHANNELS = 128
POOLS = (1, 2, 3, 6)
"""Sides of the grids to which the deepest map is pooled."""
SCALES = (4.0, 2.0, 1.0, 0.5)
"""Size of each level of the pyramid relative to the map of patches."""
DROPOUT = 0.1


class UPerNetHead(nn.Module):
    """Decoder that pools the deepest block over regions, adds it top-down to the earlier ones, and fuses all levels."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(conv_norm_relu(spec.in_channels, CHANNELS, 1) for _ in SCALES)
        self.pools = nn.ModuleList(conv_norm_relu(CHANNELS, CHANNELS // 4, 1) for _ in POOLS)
        self.gather = conv_norm_relu(CHANNELS + len(POOLS) * (CHANNELS // 4), CHANNELS)
        self.smooth = nn.ModuleList(conv_norm_relu(CHANNELS, CHANNELS) for _ in SCALES[:-1])
        self.fuse = conv_norm_relu(len(SCALES) * CHANNELS, CHANNELS)
        self.classify = nn.Sequential(nn.Dropout2d(DROPOUT), nn.Conv2d(CHANNELS, spec.num_classes, kernel_size=1))

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, 4h, 4w), h and w being the sides of the map of patches."""
        rows, columns = features.maps[-1].shape[-2:]
        sizes = [(max(round(rows * scale), 1), max(round(columns * scale), 1)) for scale in SCALES]
        levels = [
            resize_bilinear(lateral(stack_dates_as_channels(tokens)), size)
            for lateral, tokens, size in zip(self.lateral, features.maps, sizes, strict=True)
        ]
        levels[-1] = self._pool_regions(levels[-1])
        for level in range(len(levels) - 2, -1, -1):
            levels[level] = levels[level] + resize_bilinear(levels[level + 1], sizes[level])
        smoothed = [smooth(level) for smooth, level in zip(self.smooth, levels[:-1], strict=True)]
        joined = torch.cat([resize_bilinear(level, sizes[0]) for level in (*smoothed, levels[-1])], dim=1)
        logits: Tensor = self.classify(self.fuse(joined))
        return logits

    def _pool_regions(self, deepest: Tensor) -> Tensor:
        """Combine the deepest map (B, 128, h, w) with its means over 1, 4, 9 and 36 regions; the shape stays."""
        size = deepest.shape[-2:]
        means = [
            resize_bilinear(pool(F.adaptive_avg_pool2d(deepest, side)), size)
            for side, pool in zip(POOLS, self.pools, strict=True)
        ]
        gathered: Tensor = self.gather(torch.cat([deepest, *means], dim=1))
        return gathered
