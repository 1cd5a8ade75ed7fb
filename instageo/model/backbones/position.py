"""Fixed sin-cos embeddings of the Prithvi encoders: of a patch's place in the chip, and of time and place on Earth."""

import torch
from torch import Tensor, nn


def sincos_1d(embed_dim: int, positions: Tensor) -> Tensor:
    """Sines, then cosines, of the positions at geometrically falling frequencies.

    Args:
        embed_dim: Even number of output channels.
        positions: Any real values, shape (N,).

    Returns:
        Shape (N, embed_dim), float64 (float32 on devices without it).
    """
    exact = torch.float32 if positions.device.type == "mps" else torch.float64
    steps = torch.arange(embed_dim // 2, dtype=exact, device=positions.device)
    angles = positions.to(exact)[:, None] * 10000 ** -(steps / (embed_dim // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_3d(embed_dim: int, steps: int, rows: int, columns: int) -> Tensor:
    """Position embedding of a grid of patches, time-major, with a leading row of zeros for the class token.

    6/16 of the channels tell the column, 6/16 the row, 4/16 the date.

    Args:
        embed_dim: Channels, a multiple of 16.
        steps: Dates.
        rows: Patches from top to bottom.
        columns: Patches from left to right.

    Returns:
        Shape (1, 1 + steps * rows * columns, width), float32.
    """
    spatial, temporal = embed_dim // 16 * 6, embed_dim // 16 * 4
    shape = (steps, rows, columns)
    of_column = sincos_1d(spatial, torch.arange(columns)).expand(*shape, spatial)
    of_row = sincos_1d(spatial, torch.arange(rows))[:, None].expand(*shape, spatial)
    of_step = sincos_1d(temporal, torch.arange(steps))[:, None, None].expand(*shape, temporal)
    patches = torch.cat([of_column, of_row, of_step], dim=-1).reshape(-1, embed_dim)
    return torch.cat([torch.zeros(1, embed_dim, dtype=patches.dtype), patches]).float()[None]


class CoordinateEmbedding(nn.Module):
    """Two numbers (year and day of year, or latitude and longitude) as tokens, times a learned scale.

    The first half of the channels tells the first number, the second half the second.
    """

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.scale = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, pairs: Tensor) -> Tensor:
        """(B, N, 2) to (B, N, embed_dim); zeros for every sample of which any number is NaN."""
        known = torch.isfinite(pairs).flatten(1).all(1)
        batch, count, _ = pairs.shape
        numbers = torch.where(known[:, None, None], pairs, 0).reshape(-1)
        waves = sincos_1d(self.embed_dim // 2, numbers).to(self.scale.dtype).reshape(batch, count, self.embed_dim)
        return self.scale * (waves * known[:, None, None])
