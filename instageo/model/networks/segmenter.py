"""Encoder and head as one network, from normalised image to logits at the image's own size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import PrithviEncoder, build_encoder
from instageo.model.backbones.variants import pyramid_blocks
from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.layers import resize_bilinear
from instageo.model.heads.light import GROUPS, LightHead
from instageo.model.heads.linear import LinearHead
from instageo.model.heads.pooled import PooledHead
from instageo.model.heads.unet import UNetHead
from instageo.model.heads.upernet import UPerNetHead
from instageo.model.heads.upscaling import upscaling_600m_head, upscaling_head
from instageo.sensors import PRITHVI_BANDS

HEADS: dict[str, Callable[[HeadSpec], nn.Module]] = {
    "upscaling": upscaling_head,
    "light": LightHead,
    "linear": LinearHead,
    "unet": UNetHead,
    "upernet": UPerNetHead,
    "upscaling_600m": upscaling_600m_head,
    "pooled": PooledHead,
}
"""Heads by name: from sizes to a module that takes `Features` to logits of any height and width; its attribute
`pyramid` tells whether it wants four blocks of the encoder or the last, `smallest`, if it has one, how many patches a
side it needs, `image_level`, if true, that it gives one output per chip, of height and width 1."""


@dataclass(frozen=True)
class NetworkConfig:
    """Arguments of `build_network`, kept on the network so that a checkpoint can be written of it.

    Attributes:
        model_name: Variant.
        num_classes: Output channels.
        temporal_dim: Dates per chip.
        img_size: Side of the square chip that the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date.
        head: Head.
        embed_dim: Channels of a token; None for the variant's own number.
        head_channels: Channels of the maps within the head; None for its usual number.
    """

    model_name: str
    num_classes: int
    temporal_dim: int = 1
    img_size: int = 224
    depth: int = -1
    bands: tuple[str, ...] = PRITHVI_BANDS
    head: str = "upscaling"
    embed_dim: int | None = None
    head_channels: int | None = None


class PrithviSegmenter(nn.Module):
    """Prithvi encoder with a segmentation head; any height and width, any number of dates it was built for."""

    def __init__(self, encoder: PrithviEncoder, head: nn.Module, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config
        self.prithvi_encoder = encoder
        self.segmentation_head = head
        depth = len(encoder.blocks)
        self._blocks = pyramid_blocks(depth) if head.pyramid else (depth - 1,)
        self.image_level: bool = getattr(head, "image_level", False)
        self._smallest = getattr(head, "smallest", 1) * encoder.patch

    def feature_maps(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> list[Tensor]:
        """Normalised tokens of the blocks that the head wants, as maps (B, embed_dim, T, H/patch, W/patch)."""
        encoder = self.prithvi_encoder
        steps, rows, columns = image.shape[2], *(side // encoder.patch for side in image.shape[3:])
        levels = encoder.forward_intermediates(self._blocks, image, temporal_coords, location_coords)
        return [encoder.norm(level)[:, 1:].transpose(1, 2).unflatten(2, (steps, rows, columns)) for level in levels]

    def forward_features(self, image: Tensor) -> Tensor:
        """Tokens of the last block as a map: (B, C, T, H, W) to (B, embed_dim * T, H/patch, W/patch).

        Channel k of date t is at k * T + t, as the published head expects.
        """
        return self.feature_maps(image)[-1].flatten(1, 2)

    def forward(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> Tensor:
        """Logits, shape (B, num_classes, H, W), or (B, num_classes, 1, 1) of heads that give one output per chip.

        Args as of `forward_with_features`.
        """
        return self.forward_with_features(image, temporal_coords, location_coords)[0]

    def forward_with_features(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, num_classes, H, W), and the maps that the head made them of, see `feature_maps`.

        Args:
            image: Shape (B, C, T, H, W), normalised.
            temporal_coords: Shape (B, T, 2), year and day of year; NaN or None where unknown.
            location_coords: Shape (B, 2), latitude and longitude; NaN or None where unknown.
        """
        height, width = image.shape[3:]
        padded = self._pad(image)
        maps = self.feature_maps(padded, temporal_coords, location_coords)
        logits: Tensor = self.segmentation_head(HeadInput(maps, padded))
        if self.image_level:
            return logits, maps
        return resize_bilinear(logits, padded.shape[3:])[..., :height, :width], maps

    def _pad(self, image: Tensor) -> Tensor:
        """Zeros (the mean, after normalisation) below and to the right, up to whole patches, enough for the head."""
        patch, least = self.prithvi_encoder.patch, self._smallest
        bottom, right = (max(-side % patch, least - side) for side in image.shape[3:])
        return F.pad(image, (0, right, 0, bottom)) if bottom or right else image


def build_network(
    model_name: str,
    *,
    num_classes: int,
    temporal_dim: int = 1,
    img_size: int = 224,
    depth: int = -1,
    bands: Sequence[str] | None = None,
    head: str = "upscaling",
    embed_dim: int | None = None,
    head_channels: int | None = None,
) -> PrithviSegmenter:
    """Build a segmentation network with random weights.

    Args:
        model_name: One of `instageo.model.backbones.variants.VARIANTS`.
        num_classes: Channels of the output, at least 1.
        temporal_dim: Dates per chip.
        img_size: Side of the square chip the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date; None for the six bands of the published weights.
        head: One of `HEADS`.
        embed_dim: Channels of a token, a multiple of 16; None for the variant's own number.
        head_channels: Channels of the maps within the head `light`, a multiple of 4; None for 32.

    Raises:
        ConfigError: An unknown name, or a size that makes no network.
    """
    if head not in HEADS:
        raise ConfigError(f"model.head={head} is unknown; choose one of {', '.join(HEADS)}")
    if num_classes < 1:
        raise ConfigError(f"model.num_classes is {num_classes}; expected at least 1")
    if head_channels is not None:
        _check_head_channels(head, head_channels)
    encoder = build_encoder(
        model_name, temporal_dim=temporal_dim, img_size=img_size, depth=depth, bands=bands, embed_dim=embed_dim
    )
    channels, hidden_channels = encoder.patch_embed.proj.in_channels, head_channels or HeadSpec.hidden_channels
    names = PRITHVI_BANDS if bands is None else tuple(bands)
    return PrithviSegmenter(
        encoder,
        HEADS[head](HeadSpec(encoder.embed_dim, temporal_dim, channels, encoder.patch, num_classes, hidden_channels)),
        NetworkConfig(model_name, num_classes, temporal_dim, img_size, depth, names, head, embed_dim, head_channels),
    )


def _check_head_channels(head: str, channels: int) -> None:
    if HEADS[head] is not LightHead:
        raise ConfigError(f"model.head_channels={channels} is for model.head=light; leave it out for model.head={head}")
    if channels < GROUPS or channels % GROUPS:
        raise ConfigError(f"model.head_channels is {channels}; expected a multiple of {GROUPS}")
