"""Our own head: cheap whatever the number of dates, and sharp at borders.

Two branches meet. The deep one takes four blocks of the encoder, weighs their dates by attention, and turns each patch
into a finer map by sub-pixel convolution (Shi et al. 2016). The shallow one is a few convolutions over the image, so
that borders lie where the image has them, not where patches end. It holds two by two pixels as channels of one place,
taken apart again at the end: nothing is averaged away, and there is a quarter of the places to go through.

Channels lie last in memory: so come the tokens, and so are convolutions of few channels fastest, on CPUs by far.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.layers import resize_bilinear

FINE = 4
"""Side of the deep map's pixels, image pixels."""

SIDE = 2
"""Side of the squares of pixels that the shallow branch holds in one place, image pixels."""

GROUPS = 4
"""Of channels that are normalised together; the channels of the maps are a multiple."""

ALIKE = 0.64
"""Correlation of the last layer's first weights for pixels of one square."""

TOKEN_DROPOUT, DROPOUT = 0.3, 0.1
"""Shares of the encoder's channels, and of the last map's, that are left out in training."""


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, group normalisation, ReLU.

    Batch normalisation scores two to three points of mIoU less on places that were not trained on: its statistics are
    those of the training places.
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.GroupNorm(GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )


def _classifier(channels: int, classes: int) -> nn.Conv2d:
    """A linear map to the classes of the pixels of a square, whose first weights are alike to a share of `ALIKE`.

    Drawn one by one (share 0), pixels of a square differ from the start, and maps show it as a pattern of dots until
    training has evened it out. All the same (share 1, Aitken et al. 2017), they hardly learn to differ.
    """
    drawn, alike = nn.Conv2d(channels, SIDE**2 * classes, 1), nn.Conv2d(channels, classes, 1)
    own, common = drawn.state_dict()["weight"], alike.state_dict()["weight"].repeat_interleave(SIDE**2, dim=0)
    weight = ALIKE**0.5 * common + (1 - ALIKE) ** 0.5 * own
    drawn.load_state_dict({"weight": weight, "bias": alike.state_dict()["bias"].repeat_interleave(SIDE**2)})
    return drawn


class DateAttention(nn.Module):
    """Weighted mean of the dates of each patch; the weights come from the patch's own tokens."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(embed_dim, 1)
        nn.init.zeros_(self.score.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, embed_dim, T, h, w) to (B, embed_dim, h, w)."""
        last = tokens.movedim(1, -1)
        weights = self.score(last).softmax(dim=1)
        mean: Tensor = (last * weights).sum(dim=1).movedim(-1, 1)
        return mean


class PatchDecoder(nn.Module):
    """Tokens of four blocks to one map whose pixels are `FINE` image pixels wide."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        side = -(-spec.patch // FINE)
        self.dates = nn.ModuleList(DateAttention(spec.embed_dim) for _ in range(4)) if spec.steps > 1 else None
        self.drop = nn.Dropout1d(TOKEN_DROPOUT)
        self.narrow = nn.Sequential(nn.Linear(4 * spec.embed_dim, 2 * spec.hidden_channels), nn.GELU())
        self.spread = nn.Sequential(
            nn.Conv2d(2 * spec.hidden_channels, spec.hidden_channels * side**2, kernel_size=1), nn.PixelShuffle(side)
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Four maps (B, embed_dim, T, h, w) to (B, hidden_channels, side * h, side * w)."""
        if self.dates is None:
            levels = [level.squeeze(2) for level in maps]
        else:
            levels = [dates(level) for dates, level in zip(self.dates, maps, strict=True)]
        tokens = torch.cat([level.movedim(1, -1) for level in levels], dim=-1)
        kept = self.drop(torch.ones_like(tokens[:, 0, 0, :, None]))  # one draw per sample and channel
        spread: Tensor = self.spread(self.narrow(tokens * kept[:, None, None, :, 0]).movedim(-1, 1))
        return spread


class LightHead(nn.Module):
    """Deep and shallow branch, joined at half resolution; the last map is rearranged to full resolution."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        hidden_channels = spec.hidden_channels
        self.deepen = PatchDecoder(spec)
        self.pixels = nn.Sequential(
            nn.Conv2d(SIDE**2 * spec.bands * spec.steps, hidden_channels, kernel_size=1),
            nn.ReLU(inplace=True),
            _conv(hidden_channels, hidden_channels),
        )
        self.shrink = _conv(hidden_channels, hidden_channels, stride=FINE // SIDE)
        self.mix = nn.Sequential(
            _conv(2 * hidden_channels, hidden_channels, 1),
            _conv(hidden_channels, hidden_channels),
            nn.Conv2d(hidden_channels, hidden_channels, 1),
        )
        self.keep = nn.Conv2d(hidden_channels, hidden_channels, kernel_size=1, bias=False)
        self.classify = nn.Sequential(
            nn.GroupNorm(GROUPS, hidden_channels),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
            _classifier(hidden_channels, spec.num_classes),
        )

    def forward(self, features: HeadInput) -> Tensor:
        """Logits (B, K, H, W)."""
        image = features.image.flatten(1, 2)
        height, width = image.shape[-2:]
        even = F.pad(image, (0, -width % SIDE, 0, -height % SIDE), mode="replicate")
        shallow = self.pixels(F.pixel_unshuffle(even, SIDE).contiguous(memory_format=torch.channels_last))
        shrunk = self.shrink(shallow)
        deep = resize_bilinear(self.deepen(features.maps), shrunk.shape[-2:])
        mixed = resize_bilinear(self.mix(torch.cat([deep, shrunk], dim=1)), shallow.shape[-2:])
        logits = F.pixel_shuffle(self.classify(self.keep(shallow).add_(mixed)), SIDE)
        return logits[..., :height, :width]
