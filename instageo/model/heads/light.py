"""The default head: cheap for any number of dates, and sharp at borders.

It joins two branches. The deep branch takes four blocks of the encoder, weighs their dates by attention, and turns each
patch into a finer map by sub-pixel convolution (Shi et al. 2016). The shallow branch is a few convolutions over the
image, so that borders lie where the image has them, not where patches end. It holds each square of two by two pixels as
the channels of one position and separates them again at the end: nothing is averaged away, and there are only a quarter
of the positions to process.

Channels are last in memory: the tokens have that layout, and convolutions of few channels are fastest in it, by far on
CPUs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.layers import resize_bilinear

DEEP_STRIDE = 4
"""Side of a pixel of the deep map, image pixels."""

SQUARE = 2
"""Side of the squares of pixels that the shallow branch holds in one position, image pixels."""

GROUPS = 4
"""Groups of channels that are normalised together; the number of channels is a multiple of it."""

SQUARE_CORRELATION = 0.64
"""Correlation of the initial weights of the last layer between the pixels of one square."""

TOKEN_DROPOUT, DROPOUT = 0.3, 0.1
"""Shares of the channels of the encoder and of the last map that are dropped in training."""


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Build a convolution, group normalisation and ReLU.

    Batch normalisation scores two to three points of mIoU less in regions without training data: its statistics are
    those of the training regions.
    """
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.GroupNorm(GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )


def build_square_classifier(channels: int, num_classes: int) -> nn.Conv2d:
    """Build a linear map to the classes of all pixels of a square, with correlated initial weights.

    Between the pixels of a square they have a correlation of `SQUARE_CORRELATION`. With independent weights
    (correlation 0) the pixels of a square differ from the start, which maps show as a pattern of dots until training
    has evened it out. With equal weights (correlation 1, Aitken et al. 2017) they hardly learn to differ.
    """
    classifier, shared = nn.Conv2d(channels, SQUARE**2 * num_classes, 1), nn.Conv2d(channels, num_classes, 1)
    own, common = classifier.state_dict()["weight"], shared.state_dict()["weight"].repeat_interleave(SQUARE**2, dim=0)
    weight = SQUARE_CORRELATION**0.5 * common + (1 - SQUARE_CORRELATION) ** 0.5 * own
    bias = shared.state_dict()["bias"].repeat_interleave(SQUARE**2)
    classifier.load_state_dict({"weight": weight, "bias": bias})
    return classifier


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
    """Deep branch: from the tokens of four blocks to one map whose pixels are about `DEEP_STRIDE` image pixels wide."""

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


class LightHead(nn.Module):
    """Deep and shallow branch, joined at half the resolution; the last map is rearranged to full resolution."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        hidden_channels = spec.hidden_channels
        self.deepen = PatchDecoder(spec)
        self.pixels = nn.Sequential(
            nn.Conv2d(SQUARE**2 * spec.image_channels, hidden_channels, kernel_size=1),
            nn.ReLU(inplace=True),
            _conv(hidden_channels, hidden_channels),
        )
        self.shrink = _conv(hidden_channels, hidden_channels, stride=DEEP_STRIDE // SQUARE)
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
            build_square_classifier(hidden_channels, spec.num_classes),
        )

    def forward(self, features: HeadInput) -> Tensor:
        """Return logits (B, K, H, W)."""
        image = features.image.flatten(1, 2)
        height, width = image.shape[-2:]
        even = F.pad(image, (0, -width % SQUARE, 0, -height % SQUARE), mode="replicate")
        shallow = self.pixels(F.pixel_unshuffle(even, SQUARE).contiguous(memory_format=torch.channels_last))
        shrunk = self.shrink(shallow)
        deep = resize_bilinear(self.deepen(features.maps), shrunk.shape[-2:])
        mixed = resize_bilinear(self.mix(torch.cat([deep, shrunk], dim=1)), shallow.shape[-2:])
        logits = F.pixel_shuffle(self.classify(self.keep(shallow).add_(mixed)), SQUARE)
        return logits[..., :height, :width]
