"""The default head of earlier versions, kept for their checkpoints; `light` took its place.

It holds each square of two by two pixels as the channels of one position and separates them again at the end, with
weights for each of the four pixels: its maps have dots and checkerboards where it is unsure.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.layers import conv_norm_relu, resize_bilinear
from instageo.model.heads.light import DROPOUT, GROUPS, SQUARE
from instageo.model.heads.patch_decoder import DEEP_STRIDE, PatchDecoder

SQUARE_CORRELATION = 0.64
"""Correlation of the initial weights of the last layer between the pixels of one square."""


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


class LightV0Head(nn.Module):
    """Deep and shallow branch, joined at half the resolution; the last map is rearranged to full resolution."""

    pyramid = True

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        hidden_channels = spec.hidden_channels
        self.deepen = PatchDecoder(spec)
        self.pixels = nn.Sequential(
            nn.Conv2d(SQUARE**2 * spec.image_channels, hidden_channels, kernel_size=1),
            nn.ReLU(inplace=True),
            conv_norm_relu(hidden_channels, hidden_channels, groups=GROUPS),
        )
        self.shrink = conv_norm_relu(hidden_channels, hidden_channels, stride=DEEP_STRIDE // SQUARE, groups=GROUPS)
        self.mix = nn.Sequential(
            conv_norm_relu(2 * hidden_channels, hidden_channels, 1, groups=GROUPS),
            conv_norm_relu(hidden_channels, hidden_channels, groups=GROUPS),
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
