"""Fixed sin-cos position embeddings of the Prithvi encoders."""

import torch
from torch import Tensor


def sincos_1d(width: int, positions: Tensor) -> Tensor:
    """Sines, then cosines, of the positions at geometrically falling frequencies.

    Args:
        width: Even number of output channels.
        positions: Any real values, shape (N,).

    Returns:
        Shape (N, width), float64.
    """
    frequencies = 10000 ** -(torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angles = positions.to(torch.float64)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def sincos_3d(width: int, steps: int, rows: int, columns: int) -> Tensor:
    """Position embedding of a grid of patches, time-major, with a leading row of zeros for the class token.

    6/16 of the channels tell the column, 6/16 the row, 4/16 the date.

    Args:
        width: Channels, a multiple of 16.
        steps: Dates.
        rows: Patches from top to bottom.
        columns: Patches from left to right.

    Returns:
        Shape (1, 1 + steps * rows * columns, width), float32.
    """
    spatial, temporal = width // 16 * 6, width // 16 * 4
    shape = (steps, rows, columns)
    of_column = sincos_1d(spatial, torch.arange(columns)).expand(*shape, spatial)
    of_row = sincos_1d(spatial, torch.arange(rows))[:, None].expand(*shape, spatial)
    of_step = sincos_1d(temporal, torch.arange(steps))[:, None, None].expand(*shape, temporal)
    patches = torch.cat([of_column, of_row, of_step], dim=-1).reshape(-1, width)
    return torch.cat([torch.zeros(1, width, dtype=patches.dtype), patches]).float()[None]
