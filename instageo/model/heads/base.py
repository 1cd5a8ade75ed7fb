"""What every head is given, and what it is built for."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class HeadInput(NamedTuple):
    """What a head sees.

    Attributes:
        maps: Normalised tokens as maps (B, embed_dim, T, h, w): of the last block, or, for heads with `pyramid`, of the
            blocks at each quarter of the depth.
        image: The normalised image (B, C, T, H, W), H and W whole patches.
    """

    maps: list[Tensor]
    image: Tensor


@dataclass(frozen=True)
class HeadSpec:
    """Sizes a head is built for.

    Attributes:
        embed_dim: Channels of a token.
        steps: Dates.
        bands: Bands per date.
        patch: Side of a patch, pixels.
        num_classes: Output channels.
        hidden_channels: Channels of the maps within the head, of heads that can be of several widths.
    """

    embed_dim: int
    steps: int
    bands: int
    patch: int
    num_classes: int
    hidden_channels: int = 32

    @property
    def channels(self) -> int:
        """Channels of the dates of a map side by side."""
        return self.embed_dim * self.steps


def stack_dates_as_channels(features: Tensor) -> Tensor:
    """Dates as channels: (B, embed_dim, T, h, w) to (B, embed_dim * T, h, w); channel k of date t is at k * T + t."""
    return features.flatten(1, 2)
