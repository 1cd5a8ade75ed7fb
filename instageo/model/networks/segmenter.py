"""Encoder and head as one network, from the normalised image to logits of the image's own size."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.errors import ConfigError, did_you_mean
from instageo.model.backbones.prithvi import PrithviEncoder, build_encoder
from instageo.model.backbones.variants import pyramid_blocks
from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.factory import HEADS
from instageo.model.heads.layers import resize_bilinear
from instageo.model.heads.light import GROUPS, LightHead
from instageo.model.heads.light_v0 import LightV0Head
from instageo.sensors import PRITHVI_BANDS


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
    """Prithvi encoder with a segmentation head, for images of any height and width.

    The number of dates is the one it was built for.
    """

    def __init__(self, encoder: PrithviEncoder, head: nn.Module, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config
        self.prithvi_encoder = encoder
        self.segmentation_head = head
        depth = len(encoder.blocks)
        self._blocks = pyramid_blocks(depth) if head.pyramid else (depth - 1,)
        self.image_level: bool = getattr(head, "image_level", False)
        self._smallest = getattr(head, "smallest", 1) * encoder.patch_size

    def feature_maps(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> list[Tensor]:
        """Return the normalised tokens of the head's blocks as maps (B, embed_dim, T, H/patch_size, W/patch_size).

        Args:
            image: Shape (B, C, T, H, W), normalised; H and W are multiples of the patch size.
            temporal_coords: Shape (B, T, 2), year and day of year; NaN or None if unknown.
            location_coords: Shape (B, 2), latitude and longitude; NaN or None if unknown.
        """
        levels = self.prithvi_encoder.forward_intermediates(
            image,
            self._blocks,
            temporal_coords=temporal_coords,
            location_coords=location_coords,
            output_fmt="NLC",
            norm=True,
        )
        grid = image.shape[2], *(side // self.prithvi_encoder.patch_size for side in image.shape[3:])
        return [torch.unflatten(level.transpose(1, 2), 2, grid) for level in levels]

    def forward_features(self, image: Tensor) -> Tensor:
        """Return the last block's map: (B, C, T, H, W) to (B, embed_dim * T, H/patch_size, W/patch_size).

        Channel k of date t is at k * T + t, as the published head expects.
        """
        return self.feature_maps(image)[-1].flatten(1, 2)

    def forward(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> Tensor:
        """Return logits (B, num_classes, H, W), or (B, num_classes, 1, 1) from heads with one output per chip.

        Args:
            image: Shape (B, C, T, H, W), normalised, of any height and width.
            temporal_coords: Shape (B, T, 2), year and day of year; NaN or None if unknown.
            location_coords: Shape (B, 2), latitude and longitude; NaN or None if unknown.
        """
        return self.forward_with_features(image, temporal_coords, location_coords)[0]

    def forward_with_features(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, see `forward`, and the maps from which the head computed them, see `feature_maps`.

        The maps are those of the image padded to whole patches.
        """
        height, width = image.shape[3:]
        padded = self._pad(image)
        maps = self.feature_maps(padded, temporal_coords, location_coords)
        logits: Tensor = self.segmentation_head(HeadInput(maps, padded))
        if self.image_level:
            return logits, maps
        return resize_bilinear(logits, padded.shape[3:])[..., :height, :width], maps

    def _pad(self, image: Tensor) -> Tensor:
        """Pad with zeros, the mean after normalisation, below and to the right: whole patches, enough for the head."""
        patch_size, smallest = self.prithvi_encoder.patch_size, self._smallest
        bottom, right = (max(-side % patch_size, smallest - side) for side in image.shape[3:])
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
        img_size: Side of the square chip that the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date; None for the six bands of the published weights.
        head: One of `HEADS`.
        embed_dim: Channels of a token, a multiple of 16; None for the variant's own number.
        head_channels: Channels of the maps within the head `light`, a multiple of 4; None for 32.

    Raises:
        ConfigError: A name is unknown, or a size is out of range.

    Examples:
        >>> import torch
        >>> from instageo.model import build_network
        >>> net = build_network("prithvi_eo_tiny", num_classes=3, depth=1, img_size=32)
        >>> net(torch.zeros(1, 6, 1, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """
    if head not in HEADS:
        raise ConfigError(f"model.head={head} is unknown; choose one of {', '.join(HEADS)}{did_you_mean(head, HEADS)}")
    if num_classes < 1:
        raise ConfigError(f"model.num_classes is {num_classes}; expected at least 1")
    if head_channels is not None:
        _check_head_channels(head, head_channels)
    encoder = build_encoder(
        model_name, temporal_dim=temporal_dim, img_size=img_size, depth=depth, bands=bands, embed_dim=embed_dim
    )
    channels, hidden_channels = encoder.patch_embed.proj.in_channels, head_channels or HeadSpec.hidden_channels
    names = PRITHVI_BANDS if bands is None else tuple(bands)
    spec = HeadSpec(encoder.embed_dim, temporal_dim, channels, encoder.patch_size, num_classes, hidden_channels)
    return PrithviSegmenter(
        encoder,
        HEADS[head](spec),
        NetworkConfig(model_name, num_classes, temporal_dim, img_size, depth, names, head, embed_dim, head_channels),
    )


def _check_head_channels(head: str, channels: int) -> None:
    if HEADS[head] not in (LightHead, LightV0Head):
        raise ConfigError(f"model.head_channels={channels} is for model.head=light; remove it for model.head={head}")
    if channels < GROUPS or channels % GROUPS:
        raise ConfigError(f"model.head_channels is {channels}; expected a multiple of {GROUPS}")
