"""The head that was called `light` after `light_v0`; kept for checkpoints that have it."""

from torch import nn

from instageo.model.heads.base import HeadSpec
from instageo.model.heads.light import LightHead


class LightV1Head(LightHead):
    """The head `light`, except that features of pixels are added after their ReLU."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.pixels = nn.Sequential(self.pixels, nn.ReLU(inplace=True))
