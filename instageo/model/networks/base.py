"""What every network has that InstaGeo trains, runs and saves, whatever it is made of."""

from dataclasses import dataclass
from typing import TypedDict

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import PrithviEncoder
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
        date_pooling: How a convolutional network joins the dates: `mean` or `attention`.
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
    date_pooling: str = "mean"


class EncoderSizes(TypedDict, total=False):
    """Sizes of an encoder that have a usual value.

    Attributes:
        img_size: Side of the square chip that the stored position embedding is for, pixels; 224.
        depth: Transformer blocks; -1 for the variant's own number.
        embed_dim: Channels of a token, a multiple of 16; None for the variant's own number.
    """

    img_size: int
    depth: int
    embed_dim: int | None


class NetworkSizes(EncoderSizes, total=False):
    """Sizes of a network that have a usual value: those of the encoder, and of the head.

    Attributes:
        head_channels: Channels of the maps within the head `light`, a multiple of 4; None for 32.
        date_pooling: How convolutional networks join the dates: `mean` or `attention`.
    """

    head_channels: int | None
    date_pooling: str


class SegmentationNetwork(nn.Module):
    """A network from normalised images of any height and width to logits of the same size.

    The number of dates is the one it was built for.

    Attributes:
        config: Arguments that it was built with; None if it was not built by `build_network`.
        image_level: Whether it has one output per chip instead of one per pixel.
        in_channels: Bands of one date.
        patch_size: Side of a pixel of its feature maps, image pixels; images are padded to whole ones.
        feature_channels: Channels of each of its feature maps.
        num_maps: How many feature maps `forward_with_features` returns.
        segmentation_head: From feature maps to logits.
    """

    config: NetworkConfig | None
    image_level: bool
    in_channels: int
    patch_size: int
    feature_channels: int
    num_maps: int = 1
    segmentation_head: nn.Module

    def forward(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> Tensor:
        """Return logits (B, num_classes, H, W), or (B, num_classes, 1, 1) from networks with one output per chip.

        Args:
            image: Shape (B, C, T, H, W), normalised, of any height and width.
            temporal_coords: Shape (B, T, 2), year and day of year; NaN or None if unknown.
            location_coords: Shape (B, 2), latitude and longitude; NaN or None if unknown.
        """
        return self.forward_with_features(image, temporal_coords, location_coords)[0]

    def forward_with_features(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the logits, see `forward`, and feature maps (B, feature_channels, T, H/patch_size, W/patch_size).

        The maps are those of the padded image; networks that join the dates have T = 1.
        """
        raise NotImplementedError

    def encoder_for(self, purpose: str) -> PrithviEncoder:
        """Return the Prithvi encoder of this network.

        Args:
            purpose: What needs it: the beginning of the message of an error.

        Raises:
            ConfigError: The network is convolutional.
        """
        name = type(self).__name__ if self.config is None else self.config.model_name
        raise ConfigError(f"{purpose} needs a network with a Prithvi encoder, which {name} does not have")


def pad_to_patches(image: Tensor, patch_size: int, smallest: int = 1) -> Tensor:
    """Pad with zeros, the mean after normalisation, below and to the right.

    Args:
        image: Shape (..., H, W).
        patch_size: Divisor of the sides of the result.
        smallest: Least side of the result, a multiple of it.
    """
    bottom, right = (max(-side % patch_size, smallest - side) for side in image.shape[-2:])
    return F.pad(image, (0, right, 0, bottom)) if bottom or right else image
