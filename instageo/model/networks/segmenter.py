"""Prithvi encoder and head as one network, and networks of every kind by name."""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor, nn

from instageo.errors import ConfigError, did_you_mean
from instageo.model.backbones.prithvi import PrithviEncoder, build_encoder
from instageo.model.backbones.variants import CONV_VARIANTS, find_variant, pyramid_blocks
from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.factory import HEADS
from instageo.model.heads.layers import resize_bilinear
from instageo.model.heads.light import GROUPS, LightHead
from instageo.model.heads.light_v0 import LightV0Head
from instageo.model.networks.base import NetworkConfig, NetworkSizes, SegmentationNetwork, pad_to_patches
from instageo.model.networks.conv_segmenter import ConvSegmenter
from instageo.sensors import PRITHVI_BANDS


class PrithviSegmenter(SegmentationNetwork):
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
        self.num_maps = len(self._blocks)
        self.in_channels, self.patch_size = encoder.patch_embed.proj.in_channels, encoder.patch_size
        self.feature_channels = encoder.embed_dim
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

    def forward_with_features(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, see `forward`, and the maps from which the head computed them, see `feature_maps`.

        The maps are those of the image padded to whole patches.
        """
        height, width = image.shape[3:]
        padded = pad_to_patches(image, self.patch_size, self._smallest)
        maps = self.feature_maps(padded, temporal_coords, location_coords)
        logits: Tensor = self.segmentation_head(HeadInput(maps, padded))
        if self.image_level:
            return logits, maps
        return resize_bilinear(logits, padded.shape[3:])[..., :height, :width], maps

    def encoder_for(self, purpose: str) -> PrithviEncoder:  # noqa: ARG002
        """Return the encoder."""
        return self.prithvi_encoder


def build_network(
    model_name: str,
    *,
    num_classes: int,
    temporal_dim: int = 1,
    bands: Sequence[str] | None = None,
    head: str | None = None,
    **sizes: Unpack[NetworkSizes],
) -> SegmentationNetwork:
    """Build a segmentation network with random weights.

    Args:
        model_name: One of `instageo.model.backbones.variants.all_variants()`.
        num_classes: Channels of the output, at least 1.
        temporal_dim: Dates per chip.
        bands: Band names of one date; None for the six bands of the published weights.
        head: One of `HEADS` for Prithvi networks, `upscaling` by default; convolutional ones take `conv`, their own
            decoder and the default, or `pooled` for one output per chip.
        **sizes: `img_size`, `depth`, `embed_dim`, `head_channels` and `date_pooling`, see `NetworkSizes`.

    Raises:
        ConfigError: A name is unknown, or a size is out of range.

    Examples:
        >>> import torch
        >>> from instageo.model import build_network
        >>> net = build_network("prithvi_eo_tiny", num_classes=3, depth=1, img_size=32)
        >>> net(torch.zeros(1, 6, 1, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """
    find_variant(model_name)  # which refuses an unknown name
    names = PRITHVI_BANDS if bands is None else tuple(bands)
    is_conv = model_name in CONV_VARIANTS
    head = head or ("conv" if is_conv else "upscaling")
    config = NetworkConfig(model_name, num_classes, temporal_dim, bands=names, head=head, **sizes)
    if num_classes < 1:
        raise ConfigError(f"model.num_classes is {num_classes}; expected at least 1")
    return ConvSegmenter(config) if is_conv else _build_prithvi(config)


def _build_prithvi(config: NetworkConfig) -> PrithviSegmenter:
    if config.head not in HEADS:
        hint = did_you_mean(config.head, HEADS)
        raise ConfigError(f"model.head={config.head} is unknown; choose one of {', '.join(HEADS)}{hint}")
    if config.head_channels is not None:
        _check_head_channels(config.head, config.head_channels)
    encoder = build_encoder(
        config.model_name,
        temporal_dim=config.temporal_dim,
        img_size=config.img_size,
        depth=config.depth,
        bands=config.bands,
        embed_dim=config.embed_dim,
    )
    spec = HeadSpec(
        encoder.embed_dim,
        config.temporal_dim,
        encoder.patch_embed.proj.in_channels,
        encoder.patch_size,
        config.num_classes,
        config.head_channels or HeadSpec.hidden_channels,
    )
    return PrithviSegmenter(encoder, HEADS[config.head](spec), config)


def _check_head_channels(head: str, channels: int) -> None:
    kind = HEADS[head]
    if not (isinstance(kind, type) and issubclass(kind, LightHead | LightV0Head)):
        raise ConfigError(f"model.head_channels={channels} is for model.head=light; remove it for model.head={head}")
    if channels < GROUPS or channels % GROUPS:
        raise ConfigError(f"model.head_channels is {channels}; expected a multiple of {GROUPS}")
