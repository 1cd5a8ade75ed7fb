"""The heads that were called `light` after `light_v0`; kept for checkpoints that have them."""

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.heads.base import HeadSpec
from instageo.model.heads.layers import conv_norm_relu
from instageo.model.heads.light import GROUPS, NARROWING, SQUARE, LightHead


class LightV2Head(LightHead):
    """The head `light`, except that the shallow branch begins with the details, after a ReLU, which are few."""

    def count_narrow(self, spec: HeadSpec) -> int:
        """Return the number of channels at full resolution."""
        return spec.hidden_channels // NARROWING

    def add_pixel_layers(self, channels: int, wide: int, narrow: int) -> None:
        """Add the layers that read the image."""
        self.pixels: nn.Module = nn.Conv2d(channels, narrow, 3, padding=1)
        self.squares = conv_norm_relu(narrow, wide, SQUARE, stride=SQUARE, groups=GROUPS)

    def read_pixels(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return details, and the start of the shallow branch."""
        details = self.pixels(image)
        return details, self.squares(F.relu(details))

    def rectify(self, total: Tensor) -> Tensor:
        """Rectify the sum of all features, in place."""
        return total.relu_()


class LightV1Head(LightV2Head):
    """The head `light_v2`, except that details are added after their ReLU, so that they can only raise the sum."""

    def add_pixel_layers(self, channels: int, wide: int, narrow: int) -> None:
        """Add the layers that read the image."""
        super().add_pixel_layers(channels, wide, narrow)
        self.pixels = nn.Sequential(self.pixels, nn.ReLU(inplace=True))
