"""What every head is given, and what it is built for."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class Features(NamedTuple):
    """What a head sees.

    Attributes:
        maps: Normalised tokens as maps (B, width, T, h, w): of the last block, or, for heads with `pyramid`, of the
            blocks at each quarter of the depth.
        image: The normalised image (B, C, T, H, W), H and W whole patches.
    """

    maps: list[Tensor]
    image: Tensor


@dataclass(frozen=True)
class HeadSpec:
    """Sizes a head is built for.

    Attributes:
        width: Channels of a token.
        steps: Dates.
        bands: Bands per date.
        patch: Side of a patch, pixels.
        num_classes: Output channels.
        inner: Channels of the maps within the head, of heads that can be of several widths.
    """

    width: int
    steps: int
    bands: int
    patch: int
    num_classes: int
    inner: int = 32

    @property
    def channels(self) -> int:
        """Channels of the dates of a map side by side."""
        return self.width * self.steps


def side_by_side(features: Tensor) -> Tensor:
    """Dates as channels: (B, width, T, h, w) to (B, width * T, h, w); channel k of date t is at k * T + t."""
    return features.flatten(1, 2)
