"""Token features of whole images from the encoder of a trained network."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from instageo.model.backbones.prithvi import PrithviEncoder
from instageo.model.chips.sample import Sample


class ImageFeatures(NamedTuple):
    """What an encoder makes of an image.

    Attributes:
        tokens: Normalised tokens of the last block, one per date and patch, shape (T, h, w, D), float32.
        class_token: Class token, shape (D,), float32.
    """

    tokens: NDArray[np.float32]
    class_token: NDArray[np.float32]


def encode_image(encoder: PrithviEncoder, image: Sample, tile: int) -> ImageFeatures:
    """Encode a normalised image of any size.

    Images are padded below and to the right to whole patches. Those larger than `tile` are cut into tiles of that size,
    rounded up to whole patches, which do not overlap; the class token is then the mean over the tiles.

    Args:
        encoder: The encoder, in evaluation mode.
        image: One image, on the encoder's device.
        tile: Side of the tiles, pixels.
    """
    patch = encoder.patch_size
    bottom, right = (-side % patch for side in image.image.shape[-2:])
    padded, side = F.pad(image.image, (0, right, 0, bottom)), -(-tile // patch) * patch
    rows, class_tokens = [], []
    for strip in torch.split(padded, side, dim=2):
        parts = [_encode_tile(encoder, part, image) for part in torch.split(strip, side, dim=3)]
        rows.append(torch.cat([tokens for tokens, _ in parts], dim=2))
        class_tokens += [class_token for _, class_token in parts]
    tokens, class_token = torch.cat(rows, dim=1), torch.stack(class_tokens).mean(0)
    return ImageFeatures(tokens.float().cpu().numpy(), class_token.float().cpu().numpy())


def _encode_tile(encoder: PrithviEncoder, tile: Tensor, image: Sample) -> tuple[Tensor, Tensor]:
    """Return tokens (T, h, w, D) and class token (D,) of a part of an image, (C, T, H, W)."""
    time, location = (None if part is None else part[None] for part in (image.temporal_coords, image.location_coords))
    tokens: Tensor = encoder(tile[None], time, location)[0]
    shape = tile.shape[1], *(side // encoder.patch_size for side in tile.shape[2:])
    return torch.unflatten(tokens[1:], 0, shape), tokens[0]
