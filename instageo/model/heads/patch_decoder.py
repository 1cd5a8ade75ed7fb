"""From the tokens of four blocks to one map whose pixels are finer than patches: the deep branch of the light heads."""

import torch
from torch import Tensor, nn

from instageo.model.heads.base import HeadSpec

DEEP_STRIDE = 4
"""Side of a pixel of the deep map, image pixels."""

TOKEN_DROPOUT = 0.3
"""Share of the channels of the encoder that are dropped in training."""


class DateAttention(nn.Module):
    """Weighted mean over the dates of each patch, with weights computed from the patch's own tokens."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(embed_dim, 1)
        nn.init.zeros_(self.score.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, embed_dim, T, h, w) to (B, embed_dim, h, w)."""
        channels_last = tokens.movedim(1, -1)
        weights = self.score(channels_last).softmax(dim=1)
        mean: Tensor = (channels_last * weights).sum(dim=1).movedim(-1, 1)
        return mean


class PatchDecoder(nn.Module):
    """From the tokens of four blocks to one map whose pixels are about `DEEP_STRIDE` image pixels wide.

    It weighs the dates by attention, and turns each patch into pixels by sub-pixel convolution (Shi et al. 2016).
    """

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        side = -(-spec.patch_size // DEEP_STRIDE)
        self.dates = nn.ModuleList(DateAttention(spec.embed_dim) for _ in range(4)) if spec.temporal_dim > 1 else None
        self.drop = nn.Dropout1d(TOKEN_DROPOUT)
        self.narrow = nn.Sequential(nn.Linear(4 * spec.embed_dim, 2 * spec.hidden_channels), nn.GELU())
        self.spread = nn.Sequential(
            nn.Conv2d(2 * spec.hidden_channels, spec.hidden_channels * side**2, kernel_size=1), nn.PixelShuffle(side)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Map four (B, embed_dim, T, h, w) to (B, hidden_channels, n * h, n * w), n = ceil(patch_size / 4)."""
        if self.dates is None:
            levels = [level.squeeze(2) for level in maps]
        else:
            levels = [dates(level) for dates, level in zip(self.dates, maps, strict=True)]
        tokens = torch.cat([level.movedim(1, -1) for level in levels], dim=-1)
        retained = self.drop(torch.ones_like(tokens[:, 0, 0, :, None]))  # one draw per sample and channel
        spread: Tensor = self.spread(self.narrow(tokens * retained[:, None, None, :, 0]).movedim(-1, 1))
        return spread
