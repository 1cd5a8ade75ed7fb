"""The Prithvi encoder: a vision transformer over patches of several dates."""

from collections.abc import Sequence
from typing import Literal, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from instageo.errors import ConfigError
from instageo.model.backbones.position import CoordinateEmbedding, sincos_3d
from instageo.model.backbones.variants import Variant, find_prithvi_variant, with_embed_dim
from instageo.sensors import PRITHVI_BANDS


class PatchEmbed(nn.Module):
    """Linear projection of the patches of each date; pixels beyond the last whole patch are left out."""

    def __init__(self, in_channels: int, embed_dim: int, patch_size: int) -> None:
        super().__init__()
        kernel = (1, patch_size, patch_size)
        self.proj = nn.Conv3d(in_channels, embed_dim, kernel_size=kernel, stride=kernel)

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, T * rows * columns, embed_dim)."""
        tokens: Tensor = self.proj(image)
        return tokens.flatten(2).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return scaled dot-product attention, (B, heads, N, D) as all arguments.

    It is trained in float32 on CPUs: the gradient of PyTorch's kernel takes up to thirty times longer in bfloat16.
    """
    if query.dtype is torch.bfloat16 and query.requires_grad and query.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):
            return F.scaled_dot_product_attention(query.float(), key.float(), value.float()).to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for query, key and value."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, embed_dim) to the same shape."""
        batch, count, embed_dim = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.num_heads, embed_dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, embed_dim))
        return projected


class Mlp(nn.Module):
    """Two linear layers with GELU in between and four times the width inside."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, 4 * embed_dim)
        self.fc2 = nn.Linear(4 * embed_dim, embed_dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, embed_dim) to the same shape."""
        mixed: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return mixed


class Block(nn.Module):
    """Pre-norm transformer block.

    In training each sample skips either half with a probability (stochastic depth, Huang et al. 2016); the halves that
    are not skipped are scaled up, so that the mean stays the same.
    """

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=1e-5)
        self.mlp = Mlp(embed_dim)
        self._drop_path = 0.0

    def set_drop_path(self, probability: float) -> None:
        """Set the probability with which a sample skips each half, 0 or more and below 1."""
        self._drop_path = probability

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, N, embed_dim) to the same shape."""
        tokens = tokens + self._skip_samples(self.attn(self.norm1(tokens)))
        tokens = tokens + self._skip_samples(self.mlp(self.norm2(tokens)))
        return tokens

    def _skip_samples(self, residual: Tensor) -> Tensor:
        if not self.training or self._drop_path == 0:
            return residual
        retained = torch.rand(len(residual), 1, 1, device=residual.device) >= self._drop_path
        return residual * (retained / (1 - self._drop_path)).to(residual.dtype)


class PrithviEncoder(nn.Module):
    """Vision transformer from images (B, C, T, H, W) to tokens; keys as in the published files without `encoder.`.

    H and W should be multiples of the patch size: the encoder does not see the pixels left over. For sizes and numbers
    of dates other than those it was built for, it computes a position embedding. Variants with coordinates take two
    more inputs, which other variants ignore: `temporal_coords` (B, T, 2), [year, day of year 1..366], and
    `location_coords` (B, 2), [latitude, longitude] in degrees. A sample whose coordinates are NaN goes without them, as
    in pre-training; None means the same for all samples.

    Attributes:
        embed_dim: Channels of a token.
        patch_size: Side of a patch, pixels.
        temporal_dim: Dates that it was built for.
        coords_dropout: Probability in training of hiding a sample's dates and, independently, its location.
        gradient_checkpointing: Compute each block again in the backward pass instead of keeping its intermediates.
    """

    pos_embed: Tensor

    def __init__(self, variant: Variant, *, channels: int, temporal_dim: int, img_size: int, depth: int) -> None:
        super().__init__()
        self.embed_dim, self.patch_size, self.temporal_dim = variant.embed_dim, variant.patch_size, temporal_dim
        self.coords_dropout, self.gradient_checkpointing = 0.0, False
        self.patch_embed = PatchEmbed(channels, variant.embed_dim, variant.patch_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, variant.embed_dim))
        side = max(img_size // variant.patch_size, 1)
        self._grid = (temporal_dim, side, side)
        self.register_buffer("pos_embed", sincos_3d(variant.embed_dim, *self._grid))
        self.temporal_embed_enc = CoordinateEmbedding(variant.embed_dim) if variant.coordinates else None
        self.location_embed_enc = CoordinateEmbedding(variant.embed_dim) if variant.coordinates else None
        self.blocks: Sequence[Block] = nn.ModuleList(  # type: ignore[assignment]
            Block(variant.embed_dim, variant.num_heads) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(variant.embed_dim, eps=1e-5)
        self._initialize()

    def _initialize(self) -> None:
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    @property
    def out_channels(self) -> list[int]:
        """Channels of the map of each block as `forward_intermediates` returns it: embed_dim * temporal_dim.

        For images with another number of dates than `temporal_dim` the maps have embed_dim * T channels.
        """
        return [self.embed_dim * self.temporal_dim] * len(self.blocks)

    def set_drop_path(self, rate: float) -> None:
        """Skip blocks in training, with a probability that rises from 0 in the first block to `rate` in the last."""
        for index, block in enumerate(self.blocks):
            block.set_drop_path(rate * index / max(len(self.blocks) - 1, 1))

    def _hide_coordinates(self, coords: Tensor) -> Tensor:
        """Return the coordinates with NaN for a random share of the samples, in training."""
        if not self.training or self.coords_dropout == 0:
            return coords
        hidden = torch.rand(len(coords), device=coords.device) < self.coords_dropout
        return coords.masked_fill(hidden.reshape(-1, *[1] * (coords.ndim - 1)), torch.nan)

    def _embed(self, image: Tensor, temporal_coords: Tensor | None, location_coords: Tensor | None) -> Tensor:
        """Return the tokens that enter the first block, shape (B, 1 + T * rows * columns, embed_dim)."""
        grid = num_dates, rows, columns = image.shape[2], *(side // self.patch_size for side in image.shape[3:])
        positions = self.pos_embed
        if grid != self._grid:
            positions = sincos_3d(self.embed_dim, num_dates, rows, columns).to(positions)
        patches = self.patch_embed(image) + positions[:, 1:]
        if self.temporal_embed_enc is not None and temporal_coords is not None:
            patches = patches + self.temporal_embed_enc(self._hide_coordinates(temporal_coords)).repeat_interleave(
                rows * columns, dim=1, output_size=patches.shape[1]
            )
        if self.location_embed_enc is not None and location_coords is not None:
            patches = patches + self.location_embed_enc(self._hide_coordinates(location_coords)[:, None])
        token = (self.cls_token + positions[:, :1]).expand(image.shape[0], -1, -1)
        return torch.cat([token, patches], dim=1)

    def _forward_blocks(
        self,
        image: Tensor,
        indices: Sequence[int],
        temporal_coords: Tensor | None,
        location_coords: Tensor | None,
    ) -> list[Tensor]:
        """Return the raw tokens (B, 1 + T * h * w, embed_dim) after the blocks with these indices, counted from 0."""
        tokens = self._embed(image, temporal_coords, location_coords)
        requested: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            if self.gradient_checkpointing and self.training:
                tokens = checkpoint(block, tokens, use_reentrant=False)
            else:
                tokens = block(tokens)
            if index in indices:
                requested[index] = tokens
        return [requested[index] for index in indices]

    @overload
    def forward_intermediates(
        self,
        image: Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
        output_fmt: Literal["NCHW", "NLC"] = "NCHW",
        intermediates_only: Literal[True] = True,
        norm: bool = False,
    ) -> list[Tensor]: ...

    @overload
    def forward_intermediates(
        self,
        image: Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
        output_fmt: Literal["NCHW", "NLC"] = "NCHW",
        intermediates_only: Literal[False],
        norm: bool = False,
    ) -> tuple[Tensor, list[Tensor]]: ...

    def forward_intermediates(
        self,
        image: Tensor,
        indices: int | Sequence[int] | None = None,
        *,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
        output_fmt: Literal["NCHW", "NLC"] = "NCHW",
        intermediates_only: bool = True,
        norm: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the patch tokens after some or all blocks, as the method of this name in timm does.

        Args:
            image: Shape (B, C, T, H, W), normalised reflectance.
            indices: Blocks counted from 0, or from the end if negative; an int n for the last n blocks; None for all.
            temporal_coords: Shape (B, T, 2), year and day of year; NaN or None if unknown.
            location_coords: Shape (B, 2), latitude and longitude; NaN or None if unknown.
            output_fmt: "NCHW" for maps (B, T * embed_dim, H/patch_size, W/patch_size), in which channel k of date t is
                at t * embed_dim + k, as in TerraTorch; "NLC" for tokens (B, T * H/patch_size * W/patch_size,
                embed_dim), date by date. The class token is left out.
            intermediates_only: If false, return a tuple of the encoder's output (see `forward`) and the list.
            norm: Apply the final norm to the tokens of every block.

        Returns:
            One tensor per index, in the order of `indices`.

        Raises:
            ConfigError: An index lies outside the blocks, or `output_fmt` is unknown.
        """
        depth = len(self.blocks)
        requested = _resolve_indices(indices, depth)
        if output_fmt not in ("NCHW", "NLC"):
            raise ConfigError(f"output_fmt={output_fmt} is unknown; choose NCHW or NLC")
        *levels, last = self._forward_blocks(image, [*requested, depth - 1], temporal_coords, location_coords)
        tokens = [(self.norm(level) if norm else level)[:, 1:] for level in levels]
        if output_fmt == "NCHW":
            grid = image.shape[2], *(side // self.patch_size for side in image.shape[3:])
            tokens = [level.unflatten(1, grid).movedim(-1, 2).flatten(1, 2) for level in tokens]
        return tokens if intermediates_only else (self.norm(last), tokens)

    def forward_features(
        self,
        image: Tensor,
        temporal_coords: Tensor | None = None,
        location_coords: Tensor | None = None,
        *,
        norm: bool = False,
    ) -> list[Tensor]:
        """Return the tokens after every block, the class token first.

        Args:
            image: Shape (B, C, T, H, W), normalised reflectance.
            temporal_coords: Shape (B, T, 2).
            location_coords: Shape (B, 2).
            norm: Apply the final norm to the output of every block; otherwise, as in the published code, to the last
                one alone.

        Returns:
            `depth` tensors of shape (B, 1 + T * H/patch_size * W/patch_size, embed_dim).
        """
        features = self._forward_blocks(image, range(len(self.blocks)), temporal_coords, location_coords)
        return [self.norm(feature) for feature in features] if norm else [*features[:-1], self.norm(features[-1])]

    def forward(
        self, image: Tensor, temporal_coords: Tensor | None = None, location_coords: Tensor | None = None
    ) -> Tensor:
        """Return the normalised tokens of the last block, shape (B, 1 + T * H/patch_size * W/patch_size, embed_dim)."""
        [tokens] = self._forward_blocks(image, [len(self.blocks) - 1], temporal_coords, location_coords)
        normalized: Tensor = self.norm(tokens)
        return normalized


def _resolve_indices(indices: int | Sequence[int] | None, depth: int) -> list[int]:
    """Return the blocks that `forward_intermediates` is called for, each counted from 0.

    Raises:
        ConfigError: One of them does not exist.
    """
    if indices is None:
        return list(range(depth))
    valid = range(-depth, depth)
    requested = list(range(depth - indices, depth) if isinstance(indices, int) else indices)
    if (isinstance(indices, int) and not 1 <= indices <= depth) or any(index not in valid for index in requested):
        raise ConfigError(
            f"indices={indices} does not fit an encoder of {depth} blocks; expected indices from {-depth} to "
            f"{depth - 1}, or the number of last blocks, 1 to {depth}"
        )
    return [index % depth for index in requested]


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
        img_size: Side of the square chip that the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date; None for the six bands of `PRITHVI_BANDS`.
        embed_dim: Channels of a token, a multiple of 16; None for the variant's own number.

    Raises:
        ConfigError: The variant is unknown, or a size is out of range.

    Examples:
        >>> import torch
        >>> from instageo.model import build_encoder
        >>> encoder = build_encoder("prithvi_eo_tiny", temporal_dim=1, img_size=32, depth=2)
        >>> encoder(torch.zeros(1, 6, 1, 32, 32)).shape
        torch.Size([1, 5, 256])
    """
    variant = with_embed_dim(find_prithvi_variant(model_name), embed_dim)
    depth = variant.depth if depth == -1 else depth
    channels = len(PRITHVI_BANDS if bands is None else bands)
    sizes = {"temporal_dim": temporal_dim, "img_size": img_size, "depth": depth, "number of bands": channels}
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{model_name}: {name} is {size}; expected at least 1")
    return PrithviEncoder(variant, channels=channels, temporal_dim=temporal_dim, img_size=img_size, depth=depth)
