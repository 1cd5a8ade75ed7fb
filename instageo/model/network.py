"""Encoder and head as one network, from normalised image to logits at the image's own size."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.backbones.prithvi import PrithviEncoder, build_encoder
from instageo.model.heads.upscaling import upscaling_head

HEADS: dict[str, Callable[[int, int], nn.Module]] = {"upscaling": upscaling_head}
"""Heads by name: (channels, num_classes) to a module from (B, channels, h, w) to (B, num_classes, patch*h, patch*w)."""


class PrithviSegmenter(nn.Module):
    """Prithvi encoder with a segmentation head; any height and width, any number of dates it was built for."""

    def __init__(self, encoder: PrithviEncoder, head: nn.Module) -> None:
        super().__init__()
        self.prithvi_encoder = encoder
        self.segmentation_head = head

    def forward_features(self, image: Tensor) -> Tensor:
        """Tokens of the last block as a map: (B, C, T, H, W) to (B, width * T, H/patch, W/patch).

        Channel k of date t is at k * T + t, as the published head expects.
        """
        rows, columns = (side // self.prithvi_encoder.patch for side in image.shape[3:])
        patches: Tensor = self.prithvi_encoder(image)[:, 1:]
        return patches.transpose(1, 2).reshape(len(image), -1, rows, columns)

    def forward(self, image: Tensor) -> Tensor:
        """Logits, shape (B, num_classes, H, W), of an image of shape (B, C, T, H, W)."""
        height, width = image.shape[3:]
        logits: Tensor = self.segmentation_head(self.forward_features(self._pad(image)))
        return logits[..., :height, :width]

    def _pad(self, image: Tensor) -> Tensor:
        """Zeros (the mean, after normalisation) below and to the right, up to whole patches."""
        patch = self.prithvi_encoder.patch
        bottom, right = (-side % patch for side in image.shape[3:])
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
) -> PrithviSegmenter:
    """Build a segmentation network with random weights.

    Args:
        model_name: One of `instageo.model.backbones.prithvi.VARIANTS`.
        num_classes: Channels of the output, at least 1.
        temporal_dim: Dates per chip.
        img_size: Side of the square chip the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date; None for the six bands of the published weights.
        head: One of `HEADS`.

    Raises:
        ConfigError: An unknown name, or a size that makes no network.
    """
    if head not in HEADS:
        raise ConfigError(f"model.head={head} is unknown; choose one of {', '.join(HEADS)}")
    if num_classes < 1:
        raise ConfigError(f"model.num_classes is {num_classes}; expected at least 1")
    encoder = build_encoder(model_name, temporal_dim=temporal_dim, img_size=img_size, depth=depth, bands=bands)
    return PrithviSegmenter(encoder, HEADS[head](encoder.width * temporal_dim, num_classes))
