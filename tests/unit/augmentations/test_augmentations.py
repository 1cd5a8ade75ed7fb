"""Each augmentation by numbers: geometry moves all parts together, values keep their unit, no-data has no influence."""

import math

import numpy as np
import pytest
import torch

from instageo.model.augmentations import RandomState, Sample
from instageo.model.augmentations.dropout import band_dropout, date_dropout
from instageo.model.augmentations.geometry import resized_crop, rot90, rotate
from instageo.model.augmentations.pipeline import AugmentationSpec, normalize
from instageo.model.augmentations.radiometry import blur, brightness, contrast, haze, noise, speckle
from tests.batches import EVERY, GEOMETRY, apply, filled, generator, numbered, random_state, scripted


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (AugmentationSpec("hflip", 1), [[2, 1, 0], [5, 4, 3]]),
        (AugmentationSpec("vflip", 1), [[3, 4, 5], [0, 1, 2]]),
        (AugmentationSpec("hflip", 0), [[0, 1, 2], [3, 4, 5]]),
        (AugmentationSpec("rot90", 1), [[5, 4, 3], [2, 1, 0]]),  # not square: by 180 degrees only
        (AugmentationSpec("resized_crop", 1, {"min_scale": 1}), [[0, 1, 2], [3, 4, 5]]),
    ],
)
def test_geometry_by_hand(spec, expected):
    batch = numbered(1, 2, 3)
    valid = batch.valid.clone()
    valid[0, 1, 0, 0] = False
    turned = apply(Sample(batch.image, valid, batch.label), spec)
    assert turned.label.tolist() == [expected]
    assert (turned.image[0, 1, 0] - torch.tensor(expected)).abs().max() < 1e-3
    assert torch.equal(turned.valid[0, 1], turned.label[0] != 0)
    assert turned.valid[0, [0, 2]].all()


@pytest.mark.parametrize("spec", GEOMETRY, ids=lambda spec: spec.name)
@pytest.mark.parametrize("shape", [(40, 40), (30, 50)])
def test_image_mask_and_label_move_together(spec, shape):
    """Plant a block in image and label and a gap in mask and label: each moves to one position in both."""
    batch = Sample(
        torch.zeros(16, 1, 2, *shape), torch.ones(16, 2, *shape, dtype=torch.bool), torch.zeros(16, *shape).long()
    )
    batch.image[..., 16:22, 17:23], batch.label[..., 16:22, 17:23] = 1, 1
    batch.valid[..., 12:15, 20:27], batch.label[..., 12:15, 20:27] = False, -1
    batch.image[..., 12:15, 20:27] = -9999
    done = apply(batch, spec)
    in_image, in_label, labelled = done.image[:, 0, 1] > 0.5, done.label == 1, done.label >= 0
    assert in_label.flatten(1).any(1).all()
    corners = 12 if spec.parameters else 0  # pixels where bilinear and nearest may differ
    assert (in_image != in_label).flatten(1).sum(1).max() <= corners
    assert (done.valid[:, 1] != labelled).flatten(1).sum(1).max() <= corners


def test_rot90_is_that_of_numpy_and_differs_between_samples():
    batch = numbered(3, 4, 4)
    done = rot90(batch, scripted(batch, (1, 2, 3)))
    for index, quarters in enumerate((1, 2, 3)):
        expected = np.rot90(np.arange(16).reshape(4, 4), quarters)
        np.testing.assert_array_equal(done.label[index], expected)
        np.testing.assert_array_equal(done.image[index, 1, 2], expected)
    many = numbered(300, 2, 2)
    labels, counts = rot90(many, random_state(many)).label.flatten(1).unique(dim=0, return_counts=True)
    assert labels.tolist() == [[1, 3, 0, 2], [2, 0, 3, 1], [3, 2, 1, 0]]  # never unchanged
    assert counts.min() > 60  # 100 expected each, 5 standard deviations


@pytest.mark.parametrize("quarter", [1, -1])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (4, 8), (8, 4)])
def test_rotating_by_90_degrees(height, width, quarter):
    """Rotate a rectangle: the square in its middle is rotated, the rest comes from outside."""
    batch = numbered(1, height, width)
    turned = rotate(batch, scripted(batch, 90 * quarter, ignore_index=255), degrees=180)
    top, left, side = (height - min(height, width)) // 2, (width - min(height, width)) // 2, min(height, width)
    middle = (..., slice(top, top + side), slice(left, left + side))
    outside = torch.ones(height, width, dtype=torch.bool)
    outside[middle] = False
    expected = torch.rot90(batch.label[middle], quarter, (-2, -1))
    assert torch.equal(turned.label[middle], expected)
    assert (turned.image[0, 1, 2][middle[1:]] - expected[0]).abs().max() < 1e-3
    assert turned.valid[0, :, ~outside].all()
    assert not turned.valid[0, :, outside].any()
    assert (turned.label[0, outside] == 255).all()


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_pixels_from_outside_are_no_data_after_rotation(ignore_index):  # pitfalls 9, 13
    spec = AugmentationSpec("rotate", 1, {"degrees": 45})
    turned = apply(filled(7, 16, 16, batch=8), spec, ignore_index=ignore_index)
    valid = turned.valid[:, 0]
    assert 0 < valid.float().mean() < 1
    assert set(turned.label.unique().tolist()) == {1, ignore_index}
    np.testing.assert_allclose(turned.image[:, 0, 0][valid], 7, rtol=1e-5)
    assert not turned.image[:, 0, 0][~valid].any()


@pytest.mark.parametrize("ignore_index", [-1, 255])
@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
@pytest.mark.parametrize("name", ["rotate", "resized_crop", "date_dropout"])
def test_pixels_without_an_observation_have_no_label(name, ignore_index, share):
    batch = filled(7, 16, 16, batch=8)
    valid = torch.rand(8, 1, 16, 16, generator=generator()) < share
    label = batch.label.masked_fill(~valid.any(1), ignore_index)
    [spec] = (spec for spec in EVERY if spec.name == name)
    turned = apply(Sample(batch.image, valid, label), spec, ignore_index=ignore_index)
    assert (turned.label[~turned.valid.any(1)] == ignore_index).all()


def test_resized_crop_by_hand():
    """Enlarge the upper left quarter of 4 x 4 pixels: new pixels lie a quarter, three quarters, … into the old ones."""
    batch = numbered(1, 4, 4)
    corner = resized_crop(batch, scripted(batch, 0.25, 0, -1, -1), min_scale=0.25)
    between = torch.tensor([0, 0.25, 0.75, 1.25])
    np.testing.assert_allclose(corner.image[0, 1, 2], 4 * between[:, None] + between, atol=1e-5)
    assert corner.label[0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [4, 4, 5, 5], [4, 4, 5, 5]]
    assert corner.valid.all()


def test_resized_crops_have_areas_and_aspects_in_their_range():
    batch = numbered(300, 60, 80)
    done = resized_crop(batch, random_state(batch), min_scale=0.4)
    assert done.valid.all()
    rows, columns = done.label.flatten(1) // 80, done.label.flatten(1) % 80
    tall, wide = (((part.amax(1) - part.amin(1) + 1) / side) for part, side in ((rows, 60), (columns, 80)))
    share, aspect = tall * wide, wide / tall
    assert 0.37 < share.min() < 0.45  # half a pixel more or less on each side
    assert share.max() > 0.95
    assert share.mean() == pytest.approx(0.7, abs=0.04)
    assert 0.7 < aspect.min() < 0.8
    assert 1.25 < aspect.max() < 1.4
    assert rows.amin(1).min() == columns.amin(1).min() == 0


@pytest.mark.parametrize("name", ["rotate", "resized_crop", "contrast", "blur"])
def test_no_data_does_not_influence_its_neighbours(name):  # pitfall 9
    batch = filled(7, 16, 16, batch=4)
    batch.image[..., 4:9, 5:11], batch.valid[..., 4:9, 5:11] = -9999, False
    changed = apply(batch, *[spec for spec in EVERY if spec.name == name])
    valid = changed.valid[:, None]
    assert valid.any()
    np.testing.assert_allclose(changed.image[valid], 7, rtol=1e-5)
    assert not changed.image[~valid].any()


@pytest.mark.parametrize("sigma", [1.0, 1.6])
def test_blur_by_hand(sigma):
    batch = filled(0, 19, 19)
    batch.image[..., 9, 9] = 1
    reach = math.ceil(2 * sigma)
    kernel = np.exp(-np.square(np.arange(-reach, reach + 1)) / (2 * sigma**2))
    kernel /= kernel.sum()
    blurred = blur(batch, random_state(batch), sigma=sigma)
    around = slice(9 - reach, 10 + reach)
    np.testing.assert_allclose(blurred.image[0, 0, 0, around, around], np.outer(kernel, kernel), rtol=1e-5)
    assert blurred.image.sum().item() == pytest.approx(1)
    assert torch.equal(blurred.valid, batch.valid)


def test_blur_at_the_border_uses_only_pixels_inside():
    batch = filled(0, 1, 3)
    batch.image[0, 0, 0, 0] = torch.tensor([1.0, 0, 0])
    one, two = math.exp(-0.5), math.exp(-2)
    blurred = blur(batch, random_state(batch), sigma=1.0).image.flatten()
    np.testing.assert_allclose(blurred, [1 / (1 + one + two), one / (1 + 2 * one), two / (1 + one + two)], rtol=1e-5)


@pytest.mark.parametrize("level", [0.1, 1500.0])
def test_brightness_is_one_factor_in_any_unit(level):  # pitfall 12
    image = torch.rand(64, 2, 1, 3, 3, generator=generator()) * level
    batch = Sample(image, torch.ones(64, 1, 3, 3, dtype=torch.bool))
    factor = brightness(batch, random_state(batch), limit=0.2).image / image
    assert factor.min() >= 0.8 - 1e-5
    assert factor.max() <= 1.2 + 1e-5
    assert factor.flatten(1).std(1).max() < 1e-5
    assert factor[:, 0, 0, 0, 0].std() == pytest.approx(0.4 / math.sqrt(12), rel=0.2)


@pytest.mark.parametrize("unit", [1e-4, 1.0])
def test_contrast_by_hand(unit):  # pitfalls 9, 12
    """Around the mean of each band over the valid pixels of all dates: 2 and 30."""
    image = torch.tensor([[[1.0, -9999], [3, 2]], [[10, math.nan], [50, 30]]]).view(1, 2, 2, 1, 2) * unit
    batch = Sample(image, torch.tensor([[True, False], [True, True]]).view(1, 2, 1, 2))
    done = contrast(batch, scripted(batch, 1.5), limit=0.5)
    ready = normalize(done.image, done.valid, torch.zeros(2), torch.ones(2)).view(2, 4) / unit
    np.testing.assert_allclose(ready, [[0.5, 0, 3.5, 2], [0, 0, 60, 30]], rtol=1e-5)


@pytest.mark.parametrize("unit", [1.0, 10000.0])
def test_noise_is_proportional_to_the_deviation_of_the_band(unit):  # pitfall 12
    batch = Sample(torch.zeros(2, 2, 1, 100, 100), torch.ones(2, 1, 100, 100, dtype=torch.bool))
    std = torch.tensor([0.1, 0.4]) * unit
    noisy = noise(batch, random_state(batch, std=std), std=0.05).image
    stds = noisy.transpose(0, 1).flatten(1).std(1)
    np.testing.assert_allclose(stds, 0.05 * std, rtol=0.03)
    assert abs((noisy[0] * noisy[1]).mean() / (noisy[0] ** 2).mean()) < 0.05  # samples are independent
    in_deviations = apply(batch, AugmentationSpec("noise", 1, {"std": 0.05}), std=std).image
    assert in_deviations.std().item() == pytest.approx(0.05, rel=0.03)


def test_a_hidden_band_is_0_after_normalising():
    batch, mean = filled(900, 4, 4, batch=300), torch.tensor([100.0, 200, 300, 400])
    batch = Sample(batch.image.expand(-1, 4, 2, -1, -1), batch.valid.expand(-1, 2, -1, -1), batch.label)
    done = band_dropout(batch, random_state(batch, mean=mean), share=0.3)
    assert torch.equal(done.valid, batch.valid)
    assert torch.equal(done.label, batch.label)
    values = normalize(done.image, done.valid, mean, torch.full((4,), 50.0)).flatten(2)
    hidden = (values == 0).all(2)
    assert torch.equal(
        values[~hidden], (18 - 2 * torch.arange(1, 5)).expand(300, 4)[~hidden, None].expand(-1, 32).float()
    )
    assert hidden.float().mean() == pytest.approx(0.3, abs=0.05)
    assert hidden.float().mean(0).min() > 0.2


def test_one_band_always_remains():
    batch = numbered(50, 4, 4)
    left = band_dropout(batch, random_state(batch, mean=torch.full((2,), -1.0)), share=1.0).image.flatten(2)
    hidden = (left == -1).all(2)
    assert (hidden.sum(1) == 1).all()
    assert 10 < hidden[:, 0].sum() < 40  # not always the same


def test_one_date_with_observations_always_remains():
    batch = numbered(60, 4, 4)
    batch.valid[:, 1], batch.valid[:, 2, 0] = False, False
    done = date_dropout(batch, random_state(batch, ignore_index=255), share=1.0)
    left = done.valid.flatten(2).any(2)
    assert (left.sum(1) == 1).all()
    assert not left[:, 1].any()  # it had none
    assert 15 < left[:, 0].sum() < 45  # not always the same
    assert torch.equal(done.image, batch.image)
    rest = batch.valid & left[..., None, None]
    assert torch.equal(done.valid, rest)
    assert torch.equal(done.label, batch.label.masked_fill(~rest.any(1), 255))
    assert (done.label[left[:, 2], 0] == 255).all()  # the remaining date lacks the first row


def test_dates_are_hidden_with_their_probability():
    batch = numbered(1000, 1, 1)
    hidden = ~date_dropout(batch, random_state(batch), share=0.3).valid.flatten(1)
    assert hidden.float().mean() == pytest.approx(0.3 - 0.3**3 / 3, abs=0.03)  # one of three always remains


def test_the_only_date_remains():
    batch = filled(3, 4, 4, batch=20)
    done = apply(batch, AugmentationSpec("date_dropout", 1, {"share": 1}))
    assert torch.equal(done.image, batch.image)
    assert done.valid.all()
    assert torch.equal(done.label, batch.label)


def test_random_numbers_lie_in_their_range():
    drawn = random_state(filled(0, 1, 1, batch=500))
    numbers = drawn.uniform(-2, 3, 4)
    assert numbers.shape == (500, 4)
    assert -2 <= numbers.min() < -1.9
    assert 2.9 < numbers.max() < 3
    assert set(drawn.integers(2, 4)) == {2, 3, 4}
    assert isinstance(drawn, RandomState)


WAVELENGTHS = 0.490, 0.665, 2.190  # BLUE, RED, SWIR_2


@pytest.mark.parametrize(
    ("mean", "unit"), [((1000.0, 1200.0, 1500.0), 1.0), ((0.1, 0.12, 0.15), 1e-4)], ids=["x 10000", "in 0..1"]
)
def test_haze_falls_with_the_wavelength(mean, unit):
    batch = Sample(torch.zeros(1, 3, 2, 4, 4), torch.ones(1, 2, 4, 4, dtype=torch.bool))
    rng = scripted(batch, 1000, 4, mean=torch.tensor(mean))
    done = haze(batch, rng, max_offset=1000, wavelengths=WAVELENGTHS)
    # (0.665 / 0.49)^-4 = 0.2948, (2.19 / 0.49)^-4 = 0.002506
    assert done.image[0, :, 1, 2, 3].tolist() == pytest.approx([1000 * unit, 294.8 * unit, 2.506 * unit], rel=1e-3)
    assert done.image.flatten(2).var(2).max() == 0  # the same in all pixels and dates


def test_haze_draws_offset_and_exponent_within_their_limits():
    batch = Sample(torch.zeros(500, 2, 1, 1, 1), torch.ones(500, 1, 1, 1, dtype=torch.bool))
    rng = random_state(batch, mean=torch.full((2,), 1000.0))
    blue, red = haze(batch, rng, max_offset=600, wavelengths=WAVELENGTHS[:2]).image.flatten(1).T
    assert 0 <= blue.min() < 10 < 590 < blue.max() <= 600
    exponents = -(red / blue).log() / math.log(0.665 / 0.49)
    assert (exponents.min(), exponents.max()) == pytest.approx((0.5, 4), abs=0.05)
    assert exponents.mean() == pytest.approx(2.25, abs=0.15)


@pytest.mark.parametrize("looks", [1, 5, 45])
def test_speckle_multiplies_power_by_numbers_of_mean_1_and_variance_1_over_looks(looks):
    batch = Sample(torch.full((2, 2, 1, 200, 200), -10.0), torch.ones(2, 1, 200, 200, dtype=torch.bool))
    power = 10 ** (speckle(batch, random_state(batch), looks=looks).image.double() / 10)
    count = power.numel()  # 160,000 numbers; the kurtosis of a gamma distribution is 3 + 6 / looks
    assert power.mean() / 0.1 == pytest.approx(1, abs=6 / math.sqrt(looks * count))
    tolerance = 6 * math.sqrt((2 + 6 / looks) / count)
    assert power.var() / 0.01 == pytest.approx(1 / looks, rel=tolerance)
    assert not torch.equal(power[0], power[1])
    assert not torch.equal(power[0, 0], power[0, 1])


def test_speckle_stays_in_the_range_of_decibels():
    batch = Sample(
        torch.tensor([-50.0, 10.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 50, 50), torch.ones(1, 1, 50, 50) > 0
    )
    low, high = speckle(batch, random_state(batch), looks=1).image.flatten(1).view(2, -1)
    assert (low.min(), high.max()) == (-50, 10)
    assert low.max() > -50
    assert high.min() < 10
