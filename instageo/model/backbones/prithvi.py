"""The Prithvi encoder: a vision transformer over patches of several dates."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.errors import ConfigError
from instageo.model.backbones.position import sincos_3d
from instageo.sensors import PRITHVI_BANDS


@dataclass(frozen=True)
class Variant:
    """Sizes of one member of the family, and where its published weights lie.

    Attributes:
        width: Channels of a token.
        depth: Transformer blocks.
        heads: Attention heads.
        patch: Side of a square patch, pixels.
        repository: Hugging Face repository of the weights; empty where none are published.
        file: File in that repository.
    """

    width: int
    depth: int
    heads: int
    patch: int = 16
    repository: str = ""
    file: str = ""


VARIANTS = {
    "prithvi_eo_tiny": Variant(256, 4, 4),
    "prithvi_eo_v1_100": Variant(
        768, 12, 12, repository="ibm-nasa-geospatial/Prithvi-EO-1.0-100M", file="Prithvi_EO_V1_100M.pt"
    ),
}


def find_variant(model_name: str) -> Variant:
    """The variant of that name.

    Raises:
        ConfigError: There is none.
    """
    if model_name not in VARIANTS:
        raise ConfigError(f"model.model_name={model_name} is unknown; choose one of {', '.join(VARIANTS)}")
    return VARIANTS[model_name]


class PatchEmbed(nn.Module):
    """Cuts each date into patches and projects them: (B, C, T, H, W) to (B, T * rows * columns, width)."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(channels, width, kernel_size=(1, patch, patch), stride=(1, patch, patch))

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, T * rows * columns, width)."""
        tokens: Tensor = self.proj(image)
        return tokens.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention with one projection for query, key and value."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) to the same shape."""
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return projected


class Mlp(nn.Module):
    """Two linear layers with GELU between, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) to the same shape."""
        mixed: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return mixed


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.mlp = Mlp(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, width) to the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens


class PrithviEncoder(nn.Module):
    """Turns (B, C, T, H, W) into tokens; keys as in the published files without `encoder.`.

    H and W must be multiples of the patch. Sizes and dates other than those it was built for get a position
    embedding computed for them.
    """

    pos_embed: Tensor

    def __init__(self, variant: Variant, *, channels: int, temporal_dim: int, img_size: int, depth: int) -> None:
        super().__init__()
        self.width, self.patch, self.temporal_dim = variant.width, variant.patch, temporal_dim
        self.patch_embed = PatchEmbed(channels, variant.width, variant.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, variant.width))
        side = -(-img_size // variant.patch)
        self._grid = (temporal_dim, side, side)
        self.register_buffer("pos_embed", sincos_3d(variant.width, *self._grid))
        self.blocks = nn.ModuleList(Block(variant.width, variant.heads) for _ in range(depth))
        self.norm = nn.LayerNorm(variant.width, eps=1e-5)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.cls_token, std=0.02)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def _positions(self, grid: tuple[int, int, int]) -> Tensor:
        if grid == self._grid:
            return self.pos_embed
        return sincos_3d(self.width, *grid).to(self.pos_embed)

    def _embed(self, image: Tensor) -> Tensor:
        steps, height, width = image.shape[2:]
        positions = self._positions((steps, height // self.patch, width // self.patch))
        patches = self.patch_embed(image) + positions[:, 1:]
        token = (self.cls_token + positions[:, :1]).expand(len(image), -1, -1)
        return torch.cat([token, patches], dim=1)

    def forward_features(self, image: Tensor, *, normalise: bool = False) -> list[Tensor]:
        """Tokens after every block, the class token first.

        Args:
            image: Shape (B, C, T, H, W), normalised reflectance.
            normalise: Apply the final norm to every block's output; otherwise, as in the published code, to the
                last one alone.

        Returns:
            `depth` tensors of shape (B, 1 + T * H/patch * W/patch, width).
        """
        tokens = self._embed(image)
        features = []
        for block in self.blocks:
            tokens = block(tokens)
            features.append(tokens)
        return [self.norm(feature) for feature in features] if normalise else [*features[:-1], self.norm(tokens)]

    def forward(self, image: Tensor) -> Tensor:
        """Normalised tokens of the last block, shape (B, 1 + T * H/patch * W/patch, width)."""
        tokens = self._embed(image)
        for block in self.blocks:
            tokens = block(tokens)
        normalised: Tensor = self.norm(tokens)
        return normalised


def build_encoder(
    model_name: str, *, temporal_dim: int, img_size: int, depth: int = -1, bands: Sequence[str] | None = None
) -> PrithviEncoder:
    """Build an encoder with random weights.

    Args:
        model_name: One of `VARIANTS`.
        temporal_dim: Dates per chip, at least 1.
        img_size: Side of the square chip the stored position embedding is for, pixels.
        depth: Transformer blocks; -1 for the variant's own number.
        bands: Band names of one date; None for the six bands of `PRITHVI_BANDS`.

    Raises:
        ConfigError: Unknown variant, or a size that makes no network.
    """
    variant = find_variant(model_name)
    depth = variant.depth if depth == -1 else depth
    channels = len(PRITHVI_BANDS if bands is None else bands)
    sizes = {"temporal_dim": temporal_dim, "img_size": img_size, "depth": depth, "number of bands": channels}
    for name, size in sizes.items():
        if size < 1:
            raise ConfigError(f"{model_name}: {name} is {size}; expected at least 1")
    return PrithviEncoder(variant, channels=channels, temporal_dim=temporal_dim, img_size=img_size, depth=depth)
