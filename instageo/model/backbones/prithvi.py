"""The Prithvi encoder: a vision transformer over patches of several dates."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from instageo.errors import ConfigError
from instageo.model.backbones.position import CoordinateEmbedding, sincos_3d
from instageo.model.backbones.variants import Variant, find_variant, with_embed_dim
from instageo.sensors import PRITHVI_BANDS


class PatchEmbed(nn.Module):
    """Cuts each date into patches and projects them: (B, C, T, H, W) to (B, T * rows * columns, width).

    Pixels beyond the last whole patch are left out.
    """

    def __init__(self, channels: int, embed_dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(channels, embed_dim, kernel_size=(1, patch, patch), stride=(1, patch, patch))

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, T * rows * columns, width)."""
        tokens: Tensor = self.proj(image)
        return tokens.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for query, key and value."""

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, embed_dim) to the same shape."""
        batch, count, embed_dim = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, embed_dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, embed_dim))
        return projected


class Mlp(nn.Module):
    """Two linear layers with GELU between, four times as wide inside."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, embed_dim) to the same shape."""
        mixed: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return mixed


class Block(nn.Module):
    """Pre-norm transformer block.

    In training each sample leaves out either half with a probability (stochastic depth, Huang et al.
    2016); the others are scaled up to make good for it.
    """

    def __init__(self, embed_dim: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.attn = Attention(embed_dim, heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = Mlp(embed_dim)
        self._drop_path = 0.0

    def set_drop_path(self, probability: float) -> None:
        """Leave out each half with this probability, 0 or more and below 1."""
        self._drop_path = probability

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, embed_dim) to the same shape."""
        tokens = tokens + self._thin(self.attn(self.norm1(tokens)))
        tokens = tokens + self._thin(self.mlp(self.norm2(tokens)))
        return tokens

    def _thin(self, change: Tensor) -> Tensor:
        if not self.training or self._drop_path == 0:
            return change
        kept = torch.rand(len(change), 1, 1, device=change.device) >= self._drop_path
        return change * (kept / (1 - self._drop_path)).to(change.dtype)


class PrithviEncoder(nn.Module):
    """Turns (B, C, T, H, W) into tokens; keys as in the published files without `encoder.`.

    H and W should be multiples of the patch: what is left over is not seen. Sizes and dates other than those it was
    built for get a position embedding computed for them. Variants with coordinates take two more inputs, which other
    variants ignore: `temporal_coords` (B, T, 2), [year, day of year 1..366], and `location_coords` (B, 2), [latitude,
    longitude] in degrees. A sample whose coordinates are NaN, or None for all, goes without, as in pre-training.

    Attributes:
        coords_dropout: Probability in training of hiding a sample's time, and apart from it its place.
        gradient_checkpointing: Compute each block anew in the backward pass instead of keeping what it computed.
    """

    pos_embed: Tensor

    def __init__(self, variant: Variant, *, channels: int, temporal_dim: int, img_size: int, depth: int) -> None:
        super().__init__()
        self.embed_dim, self.patch, self.temporal_dim = variant.embed_dim, variant.patch, temporal_dim
        self.coords_dropout, self.gradient_checkpointing = 0.0, False
        self.patch_embed = PatchEmbed(channels, variant.embed_dim, variant.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, variant.embed_dim))
        side = max(img_size // variant.patch, 1)
        self._grid = (temporal_dim, side, side)
        self.register_buffer("pos_embed", sincos_3d(variant.embed_dim, *self._grid))
        self.temporal_embed_enc = CoordinateEmbedding(variant.embed_dim) if variant.coordinates else None
        self.location_embed_enc = CoordinateEmbedding(variant.embed_dim) if variant.coordinates else None
        self.blocks: Sequence[Block] = nn.ModuleList(  # type: ignore[assignment]
            Block(variant.embed_dim, variant.heads) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(variant.embed_dim, eps=1e-5)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def set_drop_path(self, rate: float) -> None:
        """Leave out blocks in training: with a probability rising from 0 in the first to `rate` in the last."""
        for number, block in enumerate(self.blocks):
            block.set_drop_path(rate * number / max(len(self.blocks) - 1, 1))

    def _positions(self, grid: tuple[int, int, int]) -> Tensor:
        if grid == self._grid:
            return self.pos_embed
        return sincos_3d(self.embed_dim, *grid).to(self.pos_embed)

    def _hide(self, coords: Tensor) -> Tensor:
        """Coordinates with NaN for a random share of the samples, in training."""
        if not self.training or self.coords_dropout == 0:
            return coords
        hidden = torch.rand(len(coords), device=coords.device) < self.coords_dropout
        return coords.masked_fill(hidden.reshape(-1, *[1] * (coords.ndim - 1)), torch.nan)

    def _embed(self, image: Tensor, temporal_coords: Tensor | None, location_coords: Tensor | None) -> Tensor:
        steps, rows, columns = image.shape[2], image.shape[3] // self.patch, image.shape[4] // self.patch
        positions = self._positions((steps, rows, columns))
        patches = self.patch_embed(image) + positions[:, 1:]
        if self.temporal_embed_enc is not None and temporal_coords is not None:
            patches = patches + self.temporal_embed_enc(self._hide(temporal_coords)).repeat_interleave(
                rows * columns, dim=1, output_size=patches.shape[1]
            )
        if self.location_embed_enc is not None and location_coords is not None:
            patches = patches + self.location_embed_enc(self._hide(location_coords)[:, None])
        token = (self.cls_token + positions[:, :1]).expand(len(image), -1, -1)
        return torch.cat([token, patches], dim=1)

    def forward_intermediates(
        self,
        indices: Sequence[int],
        image: Tensor,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
    ) -> list[Tensor]:
        """Raw tokens (B, 1 + T * H/patch * W/patch, embed_dim) after the blocks with these indices, counted from 0."""
        tokens = self._embed(image, temporal_coords, location_coords)
        found: dict[int, Tensor] = {}
        for number, block in enumerate(self.blocks):
            if self.gradient_checkpointing and self.training:
                tokens = checkpoint(block, tokens, use_reentrant=False)
            else:
                tokens = block(tokens)
            if number in indices:
                found[number] = tokens
        return [found[index] for index in indices]

    def forward_features(
        self,
        image: Tensor,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
        *,
        normalise: bool = False,
    ) -> list[Tensor]:
        """Tokens after every block, the class token first.

        Args:
            image: Shape (B, C, T, H, W), normalised reflectance.
            temporal_coords: Shape (B, T, 2).
            location_coords: Shape (B, 2).
            normalise: Apply the final norm to every block's output; otherwise, as in the published code, to the
                last one alone.

        Returns:
            `depth` tensors of shape (B, 1 + T * H/patch * W/patch, embed_dim).
        """
        features = self.forward_intermediates(range(len(self.blocks)), image, temporal_coords, location_coords)
        return [self.norm(feature) for feature in features] if normalise else [*features[:-1], self.norm(features[-1])]

    def forward(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> Tensor:
        """Normalised tokens of the last block, shape (B, 1 + T * H/patch * W/patch, embed_dim)."""
        [tokens] = self.forward_intermediates([len(self.blocks) - 1], image, temporal_coords, location_coords)
        normalised: Tensor = self.norm(tokens)
        return normalised


def build_encoder(
    model_name: str,
    *,
    temporal_dim: int,
    img_size: int,
    depth: int = -1,
    bands: Sequence[str] | None = None,
    embed_dim: int | None = None,
) -> PrithviEncoder:
    """Build an encoder with random weights.

    Args:
        model_name: One of `instageo.model.backbones.variants.VARIANTS`.
        temporal_dim: Dates per chip, at least 1.
        img_size: Side of the square chip the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date; None for the six bands of `PRITHVI_BANDS`.
        embed_dim: Channels of a token, a multiple of 16; None for the variant's own number.

    Raises:
        ConfigError: Unknown variant, or a size that makes no network.
    """
    variant = with_embed_dim(find_variant(model_name), embed_dim)
    depth = variant.depth if depth == -1 else depth
    channels = len(PRITHVI_BANDS if bands is None else bands)
    sizes = {"temporal_dim": temporal_dim, "img_size": img_size, "depth": depth, "number of bands": channels}
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{model_name}: {name} is {size}; expected at least 1")
    return PrithviEncoder(variant, channels=channels, temporal_dim=temporal_dim, img_size=img_size, depth=depth)
