"""Distances of tokens of different widths, patches and paddings."""

import numpy as np
import pytest
import torch

from instageo.model.distillation.feature_matching import FeatureMatchingLoss, patch_valid_fraction, resample_patches


def everywhere(rows, columns, steps=1, batch=2):
    """A mask of observed pixels."""
    return torch.ones(batch, steps, rows, columns, dtype=torch.bool)


def test_distance_by_hand():
    torch.manual_seed(0)
    matching = FeatureMatchingLoss((3, 16), (5, 16))
    mine, theirs = torch.randn(2, 3, 1, 2, 2), torch.randn(2, 5, 1, 2, 2)
    weight = matching.projections[0].weight.detach().numpy().reshape(5, 3)
    projected = (
        np.einsum("oc,bcthw->bothw", weight, mine) + matching.projections[0].bias.detach().numpy()[:, None, None, None]
    )
    normal = [
        (maps - maps.mean(1, keepdims=True)) / np.sqrt(maps.var(1, keepdims=True) + 1e-5)
        for maps in (projected, theirs.numpy())
    ]
    found = matching([mine], [theirs], everywhere(32, 32))
    assert found.item() == pytest.approx(((normal[0] - normal[1]) ** 2).mean(), rel=1e-5)


def test_equal_tokens_are_at_0_and_opposite_ones_at_4():
    matching = FeatureMatchingLoss((4, 16), (4, 16))
    with torch.no_grad():
        matching.projections[0].weight.copy_(torch.eye(4)[..., None, None, None])
        matching.projections[0].bias.zero_()
    tokens = torch.randn(2, 4, 1, 2, 2)
    assert matching([tokens], [3 * tokens], everywhere(32, 32)).item() == pytest.approx(0, abs=1e-3)
    assert matching([tokens], [-tokens], everywhere(32, 32)).item() == pytest.approx(4, rel=1e-3)


def test_levels_count_alike_and_from_the_end():
    torch.manual_seed(0)
    last, both = FeatureMatchingLoss((4, 16), (6, 16)), FeatureMatchingLoss((4, 16), (6, 16), levels=2)
    mine, theirs = [torch.randn(1, 4, 1, 2, 2) for _ in range(4)], [torch.randn(1, 6, 1, 2, 2) for _ in range(4)]
    valid = everywhere(32, 32, batch=1)
    single = []
    for level, projection in zip((-2, -1), both.projections, strict=True):
        last.projections[0] = projection
        single.append(last([mine[level]], [theirs[level]], valid).item())
    assert both(mine, theirs, valid).item() == pytest.approx(sum(single) / 2)


def test_share_of_observed_pixels_by_hand():
    valid = everywhere(3, 5, batch=1)
    valid[..., 0, 0] = False
    # patches of 2 pixels: 2 x 3 of them; the last row and column are half or three quarters padding
    assert patch_valid_fraction(valid, 2, (2, 3))[0, 0].tolist() == [[0.75, 1, 0.5], [0.5, 0.5, 0.25]]


def test_patches_without_observation_never_count():  # pitfalls 9, 21
    torch.manual_seed(0)
    matching = FeatureMatchingLoss((4, 16), (6, 16))
    mine, theirs = torch.randn(1, 4, 2, 2, 2), torch.randn(1, 6, 2, 2, 2)
    valid = everywhere(32, 32, steps=2, batch=1)
    valid[:, 1, :16, 16:] = False
    before = matching([mine], [theirs], valid)
    theirs[:, :, 1, 0, 1] = 100 * torch.randn(6)
    assert torch.equal(matching([mine], [theirs], valid), before)
    nothing = matching([mine], [theirs], torch.zeros_like(valid))
    nothing.backward()
    assert nothing.item() == 0
    assert not matching.projections[0].weight.grad.any()


@pytest.mark.parametrize(("patch", "side"), [(14, 224), (14, 50), (8, 33)])
def test_what_lies_at_a_pixel_is_seen_there_by_other_patches(patch, side):
    """A map that tells the middle of each patch, in pixels, tells it of the other patches too."""
    own, other = -(-side // patch), -(-side // 16)
    middles = (torch.arange(own) + 0.5) * patch
    maps = torch.stack([middles[:, None].expand(own, own), middles.expand(own, own)])[None, :, None]
    seen = resample_patches(maps, (other, other), 16 / patch)
    wanted = ((torch.arange(other) + 0.5) * 16).clamp(middles[0], middles[-1])
    torch.testing.assert_close(seen[0, 0, 0], wanted[:, None].expand(other, other), rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(seen[0, 1, 0], wanted.expand(other, other), rtol=1e-5, atol=1e-3)


def test_maps_of_the_same_patches_stay_as_they_are():
    maps = torch.randn(2, 3, 2, 4, 5)
    assert resample_patches(maps, (4, 5), 1.0) is maps
    torch.testing.assert_close(resample_patches(maps, (3, 4), 1.0), maps[..., :3, :4])  # padded less
