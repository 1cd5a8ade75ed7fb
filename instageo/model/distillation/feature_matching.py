"""How far a student's tokens lie from a teacher's, whatever the widths and patches of both.

A learned projection maps student tokens to the width of the teacher (FitNets, Romero et al. 2015). Tokens are compared
after normalisation, as in Wei et al. 2022 (Contrastive Learning Rivals Masked Image Modeling in Fine-tuning via Feature
Distillation), so that a few loud channels do not dominate.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instageo.model.distillation.soft_targets import masked_mean


class FeatureMatchingLoss(nn.Module):
    """Mean squared distance of normalised tokens: 0 where they agree, 2 where they have nothing in common.

    Args:
        student: Width and side of a patch, pixels, of the student.
        teacher: The same of the teacher.
        levels: Maps to compare, counted from the last block.
    """

    def __init__(self, student: tuple[int, int], teacher: tuple[int, int], levels: int = 1) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv3d(student[0], teacher[0], kernel_size=1) for _ in range(levels))
        self.patch, self.ratio = student[1], student[1] / teacher[1]

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor], valid: Tensor) -> Tensor:
        """A scalar.

        Args:
            student: Maps (B, embed_dim, T, h, w), at least `levels`.
            teacher: Maps of its own embed_dim, h and w; as many dates.
            valid: Shape (B, T, H, W): a token counts by the share of its pixels that were observed.
        """
        levels = len(self.projections)
        grid = student[-1].shape[-2:]
        share = patch_valid_fraction(valid, self.patch, grid)
        distances = [
            masked_mean(
                (_normal(project(mine)) - _normal(resample_patches(theirs, grid, self.ratio))).square().mean(1), share
            )
            for project, mine, theirs in zip(self.projections, student[-levels:], teacher[-levels:], strict=True)
        ]
        return torch.stack(distances).mean()


def _normal(maps: Tensor) -> Tensor:
    """Mean 0 and deviation 1 over the channels of (B, embed_dim, T, h, w)."""
    last = maps.float().movedim(1, -1)
    return F.layer_norm(last, last.shape[-1:]).movedim(-1, 1)


def patch_valid_fraction(valid: Tensor, patch: int, grid: Sequence[int]) -> Tensor:
    """Share of observed pixels of each patch, (B, T, h, w), of a mask (B, T, H, W); what is beyond it is unobserved."""
    rows, columns = (patches * patch - side for patches, side in zip(grid, valid.shape[-2:], strict=True))
    return F.avg_pool2d(F.pad(valid.float(), (0, columns, 0, rows)), patch)


def resample_patches(maps: Tensor, grid: Sequence[int], ratio: float) -> Tensor:
    """Maps (B, embed_dim, T, h, w) seen at the middles of other patches, between its own by bilinear interpolation.

    Args:
        maps: Its first patch begins at the same pixel as the first of the grid.
        grid: Rows and columns of the other patches.
        ratio: Side of those over that of the map's own.
    """
    if ratio == 1 and tuple(maps.shape[-2:]) == tuple(grid):
        return maps
    down, right = (
        (torch.arange(wanted, device=maps.device) + 0.5) * ratio / own * 2 - 1  # -1 and 1 are the borders of the map
        for wanted, own in zip(grid, maps.shape[-2:], strict=True)
    )
    places = torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1).expand(len(maps), -1, -1, -1)
    flat = maps.float().flatten(1, 2)
    seen = F.grid_sample(flat, places, mode="bilinear", padding_mode="border", align_corners=False)
    return seen.reshape(*maps.shape[:3], *grid)
