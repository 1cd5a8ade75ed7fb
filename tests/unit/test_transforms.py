"""Augmentation and normalisation: geometry moves together, values keep their unit, nodata stays nodata."""

import math

import numpy as np
import pytest
import torch

from instageo.model.assemble import augmentations
from instageo.model.sample import Sample
from instageo.model.settings import DataSettings, Settings
from instageo.model.settings.augmentations import (
    Augmentation,
    Augmentations,
    BlurAugmentation,
    BrightnessAugmentation,
    NoiseAugmentation,
    RotateAugmentation,
)
from instageo.model.transforms import AUGMENTATIONS, AugmentationSpec, Draw, normalise, process_and_augment

ONE = torch.ones(1)
EVERY = (
    AugmentationSpec("hflip", 1), AugmentationSpec("vflip", 1), AugmentationSpec("rotate", 1, {"degrees": 40}),
    AugmentationSpec("brightness", 1, {"limit": 0.2}), AugmentationSpec("blur", 1, {"sigma": 1.0}),
    AugmentationSpec("noise", 1, {"std": 0.05}),
)  # fmt: skip


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(batch, height, width):
    """Pixels and labels that hold their position."""
    numbers = torch.arange(height * width).view(height, width).expand(batch, height, width)
    image = numbers[:, None, None].float().expand(batch, 2, 3, height, width)
    return Sample(image, torch.ones(batch, 3, height, width, dtype=torch.bool), numbers)


def filled(value, height, width, batch=1):
    shape = batch, 1, 1, height, width
    return Sample(
        torch.full(shape, float(value)),
        torch.ones(batch, 1, height, width, dtype=torch.bool),
        torch.ones(batch, height, width, dtype=torch.long),
    )


def apply(batch, *specs, seed=0, std=ONE, ignore_index=-1):
    """Augmented, normalised with mean 0 and standard deviation 1."""
    return process_and_augment(batch, torch.zeros_like(std), std, specs, generator(seed), ignore_index)


def turn(angle, seed=0):
    """A rotation whose draw comes out at `angle` degrees."""
    source = generator(seed)
    torch.rand(1, generator=source)  # whether the sample is chosen
    return AugmentationSpec("rotate", 1, {"degrees": angle / (2 * torch.rand(1, generator=source).item() - 1)})


def test_normalising_by_hand():
    image = torch.tensor([1.0, 30.0]).view(2, 1, 1, 1)
    valid = torch.ones(1, 1, 1, dtype=torch.bool)
    mean, std = torch.tensor([3.0, 10.0]), torch.tensor([2.0, 5.0])
    assert normalise(image, valid, mean, std).flatten().tolist() == [-1, 4]
    batch = Sample(image[None], valid[None])
    assert process_and_augment(batch, mean, std).image.flatten().tolist() == [-1, 4]


@pytest.mark.parametrize("missing", [-9999, 0, math.nan, math.inf])
def test_no_data_is_0_after_normalising(missing):  # pitfall 9
    image, valid = torch.full((2, 1, 2, 1, 2), 5.0), torch.ones(2, 2, 1, 2, dtype=torch.bool)
    image[0, 0, 1, 0, 0], valid[0, 1, 0, 0] = missing, False
    scaled = process_and_augment(Sample(image, valid), torch.tensor([1.0]), torch.tensor([2.0])).image
    assert scaled[0, 0, 1, 0, 0] == 0
    assert (scaled == 2).sum() == scaled.numel() - 1


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (AugmentationSpec("hflip", 1), [[2, 1, 0], [5, 4, 3]]),
        (AugmentationSpec("vflip", 1), [[3, 4, 5], [0, 1, 2]]),
        (AugmentationSpec("hflip", 0), [[0, 1, 2], [3, 4, 5]]),
        (turn(180), [[5, 4, 3], [2, 1, 0]]),
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


@pytest.mark.parametrize("quarter", [1, -1])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (4, 8), (8, 4)])
def test_a_quarter_turn(height, width, quarter):
    """Of a rectangle, the square in the middle turns and the rest comes from outside."""
    batch = numbered(1, height, width)
    turned = apply(batch, turn(90 * quarter), ignore_index=255)
    top, left, side = (height - min(height, width)) // 2, (width - min(height, width)) // 2, min(height, width)
    middle = (..., slice(top, top + side), slice(left, left + side))
    outside = torch.ones(height, width, dtype=torch.bool)
    outside[middle] = False
    expected = [torch.rot90(batch.label[middle], way, (-2, -1)) for way in (quarter, -quarter)]
    match = [torch.equal(turned.label[middle], square) for square in expected]
    assert sum(match) == 1
    assert (turned.image[0, 1, 2][middle[1:]] - expected[match.index(True)][0]).abs().max() < 1e-3
    assert turned.valid[0, :, ~outside].all()
    assert not turned.valid[0, :, outside].any()
    assert (turned.label[0, outside] == 255).all()


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_rotation_brings_in_nothing_from_outside(ignore_index):  # pitfalls 9, 13
    turned = apply(
        filled(7, 16, 16, batch=8), AugmentationSpec("rotate", 1, {"degrees": 45}), ignore_index=ignore_index
    )
    valid = turned.valid[:, 0]
    assert 0 < valid.float().mean() < 1
    assert set(turned.label.unique().tolist()) == {1, ignore_index}
    np.testing.assert_allclose(turned.image[:, 0, 0][valid], 7, rtol=1e-5)
    assert not turned.image[:, 0, 0][~valid].any()


@pytest.mark.parametrize("ignore_index", [-1, 255])
@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_after_rotation_no_label_lies_where_nothing_is_observed(ignore_index, share):
    batch = filled(7, 16, 16, batch=8)
    valid = torch.rand(8, 1, 16, 16, generator=generator()) < share
    label = batch.label.masked_fill(~valid.any(1), ignore_index)
    spec = AugmentationSpec("rotate", 1, {"degrees": 45})
    turned = apply(Sample(batch.image, valid, label), spec, ignore_index=ignore_index)
    assert (turned.label[~turned.valid.any(1)] == ignore_index).all()


@pytest.mark.parametrize("name", ["rotate", "blur"])
def test_no_data_is_not_mixed_into_its_neighbours(name):  # pitfall 9
    batch = filled(7, 16, 16, batch=4)
    batch.image[..., 4:9, 5:11], batch.valid[..., 4:9, 5:11] = -9999, False
    changed = apply(batch, *[spec for spec in EVERY if spec.name == name])
    valid = changed.valid[:, None]
    assert valid.any()
    np.testing.assert_allclose(changed.image[valid], 7, rtol=1e-5)
    assert not changed.image[~valid].any()


def test_blur_by_hand():
    batch = filled(0, 9, 9)
    batch.image[..., 4, 4] = 1
    kernel = np.exp(-np.square(np.arange(-2, 3)) / 2)
    kernel /= kernel.sum()
    blurred = apply(batch, AugmentationSpec("blur", 1, {"sigma": 1.0}))
    np.testing.assert_allclose(blurred.image[0, 0, 0, 2:7, 2:7], np.outer(kernel, kernel), rtol=1e-5)
    assert blurred.image.sum().item() == pytest.approx(1)
    assert torch.equal(blurred.valid, batch.valid)


@pytest.mark.parametrize("level", [0.1, 1500.0])
def test_brightness_is_one_factor_in_any_unit(level):  # pitfall 12
    image = torch.rand(64, 2, 1, 3, 3, generator=generator()) * level
    batch = Sample(image, torch.ones(64, 1, 3, 3, dtype=torch.bool))
    factor = apply(batch, AugmentationSpec("brightness", 1, {"limit": 0.2}), std=torch.ones(2)).image / image
    assert factor.min() >= 0.8 - 1e-5
    assert factor.max() <= 1.2 + 1e-5
    assert factor.flatten(1).std(1).max() < 1e-5
    assert factor[:, 0, 0, 0, 0].std() == pytest.approx(0.4 / math.sqrt(12), rel=0.2)


@pytest.mark.parametrize("unit", [1.0, 10000.0])
def test_noise_follows_the_deviation_of_the_band(unit):  # pitfall 12
    batch = Sample(torch.zeros(2, 2, 1, 100, 100), torch.ones(2, 1, 100, 100, dtype=torch.bool))
    std = torch.tensor([0.1, 0.4]) * unit
    noisy = AUGMENTATIONS["noise"](batch, Draw(torch.ones(2, dtype=torch.bool), generator(), std, -1), std=0.05).image
    found = noisy.transpose(0, 1).flatten(1).std(1)
    np.testing.assert_allclose(found, 0.05 * std, rtol=0.03)
    in_deviations = apply(batch, AugmentationSpec("noise", 1, {"std": 0.05}), std=std).image
    assert in_deviations.std().item() == pytest.approx(0.05, rel=0.03)


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_only_chosen_samples_change(spec):
    batch = numbered(400, 8, 8)
    half = AugmentationSpec(spec.name, 0.5, spec.parameters)
    changed = apply(batch, half, std=torch.ones(2))
    same = (changed.image == batch.image).flatten(1).all(1)
    assert 140 < same.sum() < 260  # 200 expected, 6 standard deviations
    assert torch.equal(changed.label[same], batch.label[same])
    assert changed.valid[same].all()


@pytest.mark.parametrize("level", [0.2, 1500.0])
def test_all_together_keep_type_unit_and_no_data(level):  # pitfalls 9, 12
    image = level * (1 + 0.1 * torch.randn(4, 2, 3, 16, 16, generator=generator()))
    valid = torch.rand(4, 3, 16, 16, generator=generator(1)) > 0.3
    image = image.masked_fill(~valid[:, None], -9999)
    label = torch.randint(0, 3, (4, 16, 16), generator=generator(2))
    std = torch.full((2,), 0.1 * level)
    changed = process_and_augment(Sample(image, valid, label), torch.full((2,), level), std, EVERY, generator())
    assert changed.image.dtype == torch.float32
    assert changed.label.dtype == torch.int64
    assert changed.image.abs().max() < 8  # deviations: 4 of the noise drawn above, 2 of brightness
    assert not changed.image[~changed.valid[:, None].expand_as(changed.image)].any()
    assert set(changed.label.unique().tolist()) <= {-1, 0, 1, 2}


def test_the_seed_alone_decides():
    batch = numbered(4, 8, 8)
    first, again, other = (apply(batch, *EVERY, seed=seed, std=torch.ones(2)).image for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_without_augmentations_nothing_is_drawn():  # pitfall 1
    batch = numbered(2, 4, 4)
    state = torch.get_rng_state()
    ready = process_and_augment(batch, torch.zeros(2), torch.ones(2))
    assert torch.equal(ready.image, batch.image)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_batch_that_comes_in_stays_as_it_is():
    batch = numbered(2, 8, 8)
    apply(batch, *EVERY, std=torch.ones(2))
    fresh = numbered(2, 8, 8)
    assert torch.equal(batch.image, fresh.image)
    assert torch.equal(batch.label, fresh.label)


def test_unlabelled_batches_pass():  # pitfall 7
    batch = numbered(2, 8, 8)
    assert apply(Sample(batch.image, batch.valid), *EVERY, std=torch.ones(2)).label is None


def test_augmentation_needs_a_generator():
    with pytest.raises(ValueError, match="needs a generator"):
        process_and_augment(filled(0, 4, 4), torch.zeros(1), ONE, (AugmentationSpec("hflip", 1),))


def test_settings_name_augmentations_in_their_order():
    assert [spec.name for spec in augmentations(Settings())] == ["hflip", "vflip"]
    chosen = Augmentations(
        hflip=Augmentation(use=True, p=0.1),
        vflip=Augmentation(use=True, p=0.2),
        rotate=RotateAugmentation(use=True, p=0.3, degrees=10),
        brightness=BrightnessAugmentation(use=True, p=0.4, limit=0.1),
        blur=BlurAugmentation(use=True, p=0.5, sigma=2),
        noise=NoiseAugmentation(use=True, p=0.6, std=0.2),
    )
    specs = augmentations(Settings(dataloader=DataSettings(augmentations=chosen)))
    assert specs == (
        AugmentationSpec("hflip", 0.1),
        AugmentationSpec("vflip", 0.2),
        AugmentationSpec("rotate", 0.3, {"degrees": 10}),
        AugmentationSpec("brightness", 0.4, {"limit": 0.1}),
        AugmentationSpec("blur", 0.5, {"sigma": 2}),
        AugmentationSpec("noise", 0.6, {"std": 0.2}),
    )
    assert [spec.name for spec in specs] == list(AUGMENTATIONS)
    apply(numbered(8, 16, 16), *specs, std=torch.ones(2))


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_time_and_place_stay_with_their_chips(spec):  # pitfall 26
    time, place = torch.tensor([[[2020.0, 1.0]], [[2021.0, 2.0]]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    batch = Sample(torch.ones(2, 1, 1, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool), None, time, place)
    done = process_and_augment(batch, torch.zeros(1), ONE, (spec,), generator())
    assert torch.equal(done.temporal_coords, time)
    assert torch.equal(done.location_coords, place)
