"""Distances of tokens with different embed_dims, patch sizes and paddings."""

import numpy as np
import pytest
import torch

from instageo.model.distillation.feature_matching import FeatureMatchingLoss, patch_valid_fraction, resample_patches


def all_valid(rows, columns, num_dates=1, batch=2):
    """Return a mask of observed pixels."""
    return torch.ones(batch, num_dates, rows, columns, dtype=torch.bool)


def test_distance_by_hand():
    torch.manual_seed(0)
    matching = FeatureMatchingLoss((3, 16), (5, 16))
    student, teacher = torch.randn(2, 3, 1, 2, 2), torch.randn(2, 5, 1, 2, 2)
    weight = matching.projections[0].weight.detach().numpy().reshape(5, 3)
    projected = (
        np.einsum("oc,bcthw->bothw", weight, student)
        + matching.projections[0].bias.detach().numpy()[:, None, None, None]
    )
    normalized = [
        (maps - maps.mean(1, keepdims=True)) / np.sqrt(maps.var(1, keepdims=True) + 1e-5)
        for maps in (projected, teacher.numpy())
    ]
    distance = matching([student], [teacher], all_valid(32, 32))
    assert distance.item() == pytest.approx(((normalized[0] - normalized[1]) ** 2).mean(), rel=1e-5)


def test_distance_of_equal_tokens_is_0_and_of_opposite_ones_4():
    matching = FeatureMatchingLoss((4, 16), (4, 16))
    with torch.no_grad():
        matching.projections[0].weight.copy_(torch.eye(4)[..., None, None, None])
        matching.projections[0].bias.zero_()
    tokens = torch.randn(2, 4, 1, 2, 2)
    assert matching([tokens], [3 * tokens], all_valid(32, 32)).item() == pytest.approx(0, abs=1e-3)
    assert matching([tokens], [-tokens], all_valid(32, 32)).item() == pytest.approx(4, rel=1e-3)


def test_levels_are_counted_from_the_last_and_averaged():
    torch.manual_seed(0)
    last, both = FeatureMatchingLoss((4, 16), (6, 16)), FeatureMatchingLoss((4, 16), (6, 16), num_levels=2)
    student, teacher = ([torch.randn(1, width, 1, 2, 2) for _ in range(4)] for width in (4, 6))
    valid = all_valid(32, 32, batch=1)
    single = []
    for level, projection in zip((-2, -1), both.projections, strict=True):
        last.projections[0] = projection
        single.append(last([student[level]], [teacher[level]], valid).item())
    assert both(student, teacher, valid).item() == pytest.approx(sum(single) / 2)


def test_valid_fraction_by_hand():
    valid = all_valid(3, 5, batch=1)
    valid[..., 0, 0] = False
    # patches of 2 pixels: 2 x 3 of them; the last row and column are half or three quarters padding
    assert patch_valid_fraction(valid, 2, (2, 3))[0, 0].tolist() == [[0.75, 1, 0.5], [0.5, 0.5, 0.25]]


def test_patches_without_observation_never_count():  # pitfalls 9, 21
    torch.manual_seed(0)
    matching = FeatureMatchingLoss((4, 16), (6, 16))
    student, teacher = torch.randn(1, 4, 2, 2, 2), torch.randn(1, 6, 2, 2, 2)
    valid = all_valid(32, 32, num_dates=2, batch=1)
    valid[:, 1, :16, 16:] = False
    before = matching([student], [teacher], valid)
    teacher[:, :, 1, 0, 1] = 100 * torch.randn(6)
    assert torch.equal(matching([student], [teacher], valid), before)
    nothing = matching([student], [teacher], torch.zeros_like(valid))
    nothing.backward()
    assert nothing.item() == 0
    assert not matching.projections[0].weight.grad.any()


@pytest.mark.parametrize(("patch_size", "side"), [(14, 224), (14, 50), (8, 33)])
def test_resampling_keeps_positions(patch_size, side):
    """A map of the centre of each patch, in pixels, becomes the map of the centres of the other patches."""
    own, other = -(-side // patch_size), -(-side // 16)
    centres = (torch.arange(own) + 0.5) * patch_size
    maps = torch.stack([centres[:, None].expand(own, own), centres.expand(own, own)])[None, :, None]
    resampled = resample_patches(maps, (other, other), 16 / patch_size)
    expected = ((torch.arange(other) + 0.5) * 16).clamp(centres[0], centres[-1])
    torch.testing.assert_close(resampled[0, 0, 0], expected[:, None].expand(other, other), rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(resampled[0, 1, 0], expected.expand(other, other), rtol=1e-5, atol=1e-3)


def test_maps_with_the_same_patches_are_unchanged():
    maps = torch.randn(2, 3, 2, 4, 5)
    assert resample_patches(maps, (4, 5), 1.0) is maps
    torch.testing.assert_close(resample_patches(maps, (3, 4), 1.0), maps[..., :3, :4])  # padded less


def test_maps_are_resampled_on_their_own_device():
    resampled = resample_patches(torch.empty(2, 3, 1, 4, 4, device="meta"), (2, 3), 2.0)
    assert (resampled.device.type, tuple(resampled.shape)) == ("meta", (2, 3, 1, 2, 3))


def test_dates_that_one_network_joins_are_averaged_for_the_other():
    torch.manual_seed(0)
    matching, valid = FeatureMatchingLoss((4, 16), (6, 16)), all_valid(32, 32, num_dates=3)
    valid[0, 1:, :16] = False  # the upper half of a chip is observed at one date only, and counts in full
    student, teacher = torch.randn(2, 4, 1, 2, 2), torch.randn(2, 6, 3, 2, 2)
    joined = matching([student], [teacher.mean(2, keepdim=True)], all_valid(32, 32))
    torch.testing.assert_close(matching([student], [teacher], valid), joined)
    swapped = FeatureMatchingLoss((6, 16), (4, 16))
    reference = swapped([teacher.mean(2, keepdim=True)], [student], all_valid(32, 32))
    torch.testing.assert_close(swapped([teacher], [student], valid), reference)
