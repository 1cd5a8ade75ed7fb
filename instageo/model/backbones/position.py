"""Fixed sin-cos embeddings of the Prithvi encoders: of a patch's position in the chip, and of date and location."""

import torch
from torch import Tensor, nn


def sincos_1d(embed_dim: int, positions: Tensor) -> Tensor:
    """Return the sines, then the cosines, of positions at geometrically falling frequencies.

    Args:
        embed_dim: Even number of output channels.
        positions: Any real values, shape (N,).

    Returns:
        Shape (N, embed_dim), float64 (float32 on devices without it).
    """
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    exponents = torch.arange(embed_dim // 2, dtype=exact, device=positions.device) / (embed_dim // 2)
    angles = positions.to(exact)[:, None] * 10000**-exponents
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_3d(embed_dim: int, num_dates: int, rows: int, columns: int) -> Tensor:
    """Return the position embedding of a grid of patches, time-major, with leading zeros for the class token.

    6/16 of the channels encode the column, 6/16 the row and 4/16 the date.

    Args:
        embed_dim: Channels, a multiple of 16.
        num_dates: Dates.
        rows: Patches from top to bottom.
        columns: Patches from left to right.

    Returns:
        Shape (1, 1 + num_dates * rows * columns, embed_dim), float32.
    """
    spatial, temporal = embed_dim // 16 * 6, embed_dim // 16 * 4
    shape = (num_dates, rows, columns)
    if torch.get_default_device().type == "meta":
        return torch.empty(1, 1 + num_dates * rows * columns, embed_dim)
    by_column = sincos_1d(spatial, torch.arange(columns)).expand(*shape, spatial)
    by_row = sincos_1d(spatial, torch.arange(rows))[:, None].expand(*shape, spatial)
    by_date = sincos_1d(temporal, torch.arange(num_dates))[:, None, None].expand(*shape, temporal)
    patches = torch.cat([by_column, by_row, by_date], dim=-1).reshape(-1, embed_dim)
    return torch.cat([torch.zeros(1, embed_dim, dtype=patches.dtype), patches]).float()[None]


class CoordinateEmbedding(nn.Module):
    """Embedding of two numbers (year and day of year, or latitude and longitude), times a learned scale.

    The first half of the channels encodes the first number, the second half the second.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.scale = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, pairs: Tensor) -> Tensor:
        """Map (B, N, 2) to (B, N, embed_dim), with zeros for every sample in which any number is NaN."""
        complete = torch.isfinite(pairs).flatten(1).all(1)
        batch, count, _ = pairs.shape
        numbers = torch.where(complete[:, None, None], pairs, 0).reshape(-1)
        waves = sincos_1d(self.embed_dim // 2, numbers).to(self.scale.dtype).reshape(batch, count, self.embed_dim)
        return self.scale * (waves * complete[:, None, None])
