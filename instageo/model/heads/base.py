"""Input of every head, and the sizes it is built for."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class HeadInput(NamedTuple):
    """Input of a head.

    Attributes:
        maps: Normalised tokens as maps (B, embed_dim, T, h, w): of the last block or, for heads with `pyramid`, of the
            blocks at each quarter of the depth.
        image: Normalised image (B, C, T, H, W); H and W are multiples of the patch size.
    """

    maps: list[Tensor]
    image: Tensor


@dataclass(frozen=True)
class HeadSpec:
    """Sizes that a head is built for.

    Attributes:
        embed_dim: Channels of a token.
        temporal_dim: Dates.
        num_bands: Bands per date.
        patch_size: Side of a patch, pixels.
        num_classes: Output channels.
        hidden_channels: Channels of the maps within the head; only `light` and `light_v0` have a choice.
    """

    embed_dim: int
    temporal_dim: int
    num_bands: int
    patch_size: int
    num_classes: int
    hidden_channels: int = 32

    @property
    def in_channels(self) -> int:
        """Channels of a map after `stack_dates_as_channels`."""
        return self.embed_dim * self.temporal_dim

    @property
    def image_channels(self) -> int:
        """Channels of the image with its dates stacked."""
        return self.num_bands * self.temporal_dim


def stack_dates_as_channels(features: Tensor) -> Tensor:
    """Stack dates: (B, embed_dim, T, h, w) to (B, embed_dim * T, h, w), channel k of date t at k * T + t."""
    return features.flatten(1, 2)
