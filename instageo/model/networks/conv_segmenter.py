"""A convolutional network for segmentation, or with one output per chip."""

from torch import Tensor

from instageo.errors import ConfigError
from instageo.model.backbones.conv import ConvEncoder
from instageo.model.backbones.variants import CONV_VARIANTS
from instageo.model.heads.base import HeadInput, HeadSpec
from instageo.model.heads.conv_decoder import ConvDecoder
from instageo.model.heads.pooled import PooledHead
from instageo.model.networks.base import NetworkConfig, SegmentationNetwork, pad_to_patches

CONV_HEADS = ("conv", "pooled")
"""Values of `model.head` for convolutional networks: their own decoder, the default, or one output per chip."""


class ConvSegmenter(SegmentationNetwork):
    """Convolutional encoder and its decoder, for images of any height and width; coordinates are not used.

    Args:
        config: Sizes; those of transformers have their usual values.

    Raises:
        ConfigError: A size is for transformers, or the head for another network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        _check_config(config)
        variant, self.config = CONV_VARIANTS[config.model_name], config
        self.in_channels, self.patch_size = len(config.bands), variant.patch_size
        self.feature_channels, self.image_level = variant.widths[-1], config.head == "pooled"
        self.conv_encoder = ConvEncoder(
            variant, channels=self.in_channels, temporal_dim=config.temporal_dim, date_pooling=config.date_pooling
        )
        spec = HeadSpec(self.feature_channels, 1, self.in_channels, variant.patch_size, config.num_classes)
        self.segmentation_head = (
            PooledHead(spec)
            if self.image_level
            else ConvDecoder(
                variant, image_channels=self.in_channels * config.temporal_dim, num_classes=config.num_classes
            )
        )

    def forward_with_features(
        self,
        image: Tensor,
        temporal_coords: Tensor | None = None,  # noqa: ARG002
        location_coords: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, and the deepest map (B, feature_channels, 1, H/16, W/16)."""
        height, width = image.shape[3:]
        padded = pad_to_patches(image, self.patch_size)
        maps = self.conv_encoder(padded)
        features = [maps[-1].unsqueeze(2)]
        if self.image_level:
            pooled: Tensor = self.segmentation_head(HeadInput(features, padded))
            return pooled, features
        logits: Tensor = self.segmentation_head(maps, padded)
        return logits[..., :height, :width], features


def _check_config(config: NetworkConfig) -> None:
    if config.head not in CONV_HEADS:
        raise ConfigError(
            f"model.head={config.head} is for Prithvi encoders; {config.model_name} has its own decoder: remove "
            "model.head"
        )
    for name in ("depth", "embed_dim", "head_channels"):
        value, usual = getattr(config, name), getattr(NetworkConfig, name)
        if value != usual:
            raise ConfigError(f"model.{name}={value} is for Prithvi networks; remove it for {config.model_name}")
    for name, count in (("temporal_dim", config.temporal_dim), ("number of bands", len(config.bands))):
        if count < 1:
            raise ConfigError(f"{name} is {count}; expected at least 1")
