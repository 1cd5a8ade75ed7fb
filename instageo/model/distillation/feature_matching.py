"""Distance between the tokens of student and teacher, which may differ in embed_dim and patch size.

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
    """Mean squared distance of normalised tokens: 0 where they agree, 2 where they are uncorrelated.

    Args:
        student: embed_dim and patch size (pixels) of the student.
        teacher: embed_dim and patch size (pixels) of the teacher.
        num_levels: Number of feature maps to compare, counted from the last block.
    """

    def __init__(self, student: tuple[int, int], teacher: tuple[int, int], num_levels: int = 1) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv3d(student[0], teacher[0], kernel_size=1) for _ in range(num_levels))
        self.patch_size, self.patch_ratio = student[1], student[1] / teacher[1]

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor], valid: Tensor) -> Tensor:
        """Return the distance, a scalar.

        Args:
            student: Feature maps (B, embed_dim, T, h, w), at least `num_levels`.
            teacher: Feature maps with its own embed_dim, h, w and number of dates. If one of both joins the dates (T
                = 1), the mean over dates of the other's maps is compared, for pixels that are valid at any date.
            valid: Shape (B, T, H, W): a token counts by the share of its pixels that were observed.
        """
        num_levels = len(self.projections)
        grid = student[-1].shape[-2:]
        if min(student[-1].shape[2], teacher[-1].shape[2]) == 1 < valid.shape[1]:
            student, teacher = ([level.mean(2, keepdim=True) for level in maps] for maps in (student, teacher))
            valid = valid.any(1, keepdim=True)
        weights = patch_valid_fraction(valid, self.patch_size, grid)
        distances = []
        levels = zip(self.projections, student[-num_levels:], teacher[-num_levels:], strict=True)
        for project, student_map, teacher_map in levels:
            target = resample_patches(teacher_map, grid, self.patch_ratio)
            difference = _normalize_channels(project(student_map)) - _normalize_channels(target)
            distances.append(masked_mean(difference.square().mean(1), weights))
        return torch.stack(distances).mean()


def _normalize_channels(maps: Tensor) -> Tensor:
    """Scale the channels of (B, embed_dim, T, h, w) to mean 0 and deviation 1."""
    last = maps.float().movedim(1, -1)
    return F.layer_norm(last, last.shape[-1:]).movedim(-1, 1)


def patch_valid_fraction(valid: Tensor, patch_size: int, grid: Sequence[int]) -> Tensor:
    """Return the share of observed pixels of each patch, (B, T, h, w), of a mask (B, T, H, W), padded with False."""
    rows, columns = (patches * patch_size - side for patches, side in zip(grid, valid.shape[-2:], strict=True))
    return F.avg_pool2d(F.pad(valid.float(), (0, columns, 0, rows)), patch_size)


def resample_patches(maps: Tensor, grid: Sequence[int], ratio: float) -> Tensor:
    """Resample feature maps (B, embed_dim, T, h, w) to the centres of other patches by bilinear interpolation.

    Args:
        maps: Their first patch begins at the same pixel as the first of the grid.
        grid: Rows and columns of the other patches.
        ratio: Size of the other patches divided by that of the maps' own.
    """
    if ratio == 1 and tuple(maps.shape[-2:]) == tuple(grid):
        return maps
    down, right = (
        (torch.arange(size, device=maps.device) + 0.5) * ratio / own_size * 2 - 1  # -1 and 1 are the borders of the map
        for size, own_size in zip(grid, maps.shape[-2:], strict=True)
    )
    coords = torch.stack(torch.meshgrid(right, down, indexing="xy"), dim=-1).expand(len(maps), -1, -1, -1)
    flat = maps.float().flatten(1, 2)
    resampled = F.grid_sample(flat, coords, mode="bilinear", padding_mode="border", align_corners=False)
    return resampled.reshape(*maps.shape[:3], *grid)
