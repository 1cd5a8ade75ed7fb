"""Augmentation and normalisation of batches: each sample has its own random numbers, and no-data stays no-data."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.augmentations import RandomState, Sample, pipeline
from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.augmentations.pipeline import (
    AUGMENTATIONS,
    AugmentationSpec,
    normalize,
    normalize_batch,
    plan_augmentations,
    process_and_augment,
)
from instageo.model.settings import DataSettings, Settings
from instageo.model.settings.augmentations import Augmentation, Augmentations, OwnAugmentation
from instageo.sensors import PRITHVI_BANDS, WAVELENGTHS_UM
from tests.batches import EVERY, ONE, PARAMETERS, SPECKLE, apply, filled, generator, numbered


def real(batch=4, bands=2, dates=3, side=16, level=1500.0):
    """Return random values with gaps of no-data, and labels of three classes, some ignored."""
    image = level * (1 + 0.1 * torch.randn(batch, bands, dates, side, side, generator=generator()))
    valid = torch.rand(batch, dates, side, side, generator=generator(1)) > 0.3
    label = torch.randint(-1, 3, (batch, side, side), generator=generator(2)).masked_fill(~valid.any(1), -1)
    return Sample(image.masked_fill(~valid[:, None], -9999), valid, label)


def test_normalising_by_hand():
    image = torch.tensor([1.0, 30.0]).view(2, 1, 1, 1)
    valid = torch.ones(1, 1, 1, dtype=torch.bool)
    mean, std = torch.tensor([3.0, 10.0]), torch.tensor([2.0, 5.0])
    assert normalize(image, valid, mean, std).flatten().tolist() == [-1, 4]
    batch = Sample(image[None], valid[None])
    assert process_and_augment(batch, mean, std).image.flatten().tolist() == [-1, 4]


@pytest.mark.parametrize("missing", [-9999, math.nan])
def test_a_batch_normalised_in_place_is_the_same(missing):
    """The second of three images is valid everywhere."""
    valid = torch.rand(3, 2, 5, 7, generator=generator()) > 0.3
    valid[1] = True
    image = torch.randn(3, 4, 2, 5, 7, generator=generator(1)).masked_fill(~valid[:, None], missing)
    mean, std = torch.rand(4, generator=generator(2)), torch.rand(4, generator=generator(3)) + 0.5
    expected = normalize(image, valid, mean, std)
    assert torch.equal(normalize_batch(image, valid, mean, std), expected)
    assert torch.equal(image, expected)


@pytest.mark.parametrize("missing", [-9999, 0, math.nan, math.inf])
@pytest.mark.parametrize("specs", [(), (AugmentationSpec("hflip", 0),)], ids=["plain", "augmented"])
def test_no_data_is_0_after_normalising(missing, specs):  # pitfall 9
    image, valid = torch.full((2, 1, 2, 1, 2), 5.0), torch.ones(2, 2, 1, 2, dtype=torch.bool)
    image[0, 0, 1, 0, 0], valid[0, 1, 0, 0] = missing, False
    batch = Sample(image, valid)
    scaled = process_and_augment(batch, torch.tensor([1.0]), torch.tensor([2.0]), specs, generator()).image
    assert scaled[0, 0, 1, 0, 0] == 0
    assert (scaled == 2).sum() == scaled.numel() - 1


@pytest.mark.parametrize("spec", [*EVERY, SPECKLE], ids=lambda spec: spec.name)
def test_only_chosen_samples_change(spec):
    batch = numbered(400, 8, 8)
    changed = apply(batch, AugmentationSpec(spec.name, 0.5, spec.parameters))
    same = (changed.image == batch.image).flatten(1).all(1)
    expected = {"band_dropout": 0.5 + 0.5 * 0.6**2, "date_dropout": 0.5 + 0.5 * 0.6**3}.get(spec.name, 0.5)
    deviation = math.sqrt(400 * expected * (1 - expected))
    assert abs(same.sum() - 400 * expected) < 6 * deviation
    assert torch.equal(changed.label[same], batch.label[same])
    assert changed.valid[same].all()


@pytest.mark.parametrize("name", sorted(set(PARAMETERS) - {"hflip", "vflip", "blur"}))
def test_each_sample_has_its_own_random_numbers(name):
    first = real(level=-15.0 if name == "speckle" else 1500.0)
    batch = Sample(*(part[:1].expand(64, *part.shape[1:]) for part in (first.image, first.valid, first.label)))
    done = apply(batch, AugmentationSpec(name, 1, PARAMETERS[name]))
    different = len({tuple(image.flatten().tolist()) for image in done.image})
    # haze adds 0.08 at most to values of thousands, of which float32 holds some 800 steps
    assert different >= {"rot90": 3, "band_dropout": 3, "date_dropout": 7, "haze": 56}.get(name, 64)


def test_the_result_depends_only_on_the_seed():
    first, again, other = (apply(real(), *EVERY, seed=seed).image for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_sample_does_not_depend_on_the_others_of_its_batch():
    half = [AugmentationSpec(spec.name, 0.5, spec.parameters) for spec in EVERY]
    batch = real(batch=8)
    whole, part = apply(batch, *half), apply(batch.map(lambda tensor: tensor[:3]), *half)
    for name in ("image", "valid", "label"):
        assert torch.equal(getattr(whole, name)[:3], getattr(part, name))


@pytest.mark.parametrize(("specs", "level"), [(EVERY, 1500.0), ((SPECKLE,), -15.0)], ids=["reflectance", "radar"])
def test_augmenting_samples_together_equals_one_by_one(specs, level):
    half = [AugmentationSpec(spec.name, 0.5, spec.parameters) for spec in specs]
    batch, fixed = real(batch=8, level=level), RandomState((), torch.full((2,), level), torch.full((2,), 150.0), -1)
    functions = pipeline._augment_together, pipeline._augment_one_by_one  # as on a GPU, and as on a CPU
    together, alone = (function(batch, plan_augmentations(half, generator(), 8), half, fixed) for function in functions)
    assert torch.equal(together.valid, alone.valid)
    assert torch.equal(together.label, alone.label)
    valid = together.valid[:, None].expand_as(together.image)
    np.testing.assert_allclose(together.image[valid], alone.image[valid], rtol=1e-5)


def test_autocast_does_not_change_augmentation():
    with torch.autocast("cpu", torch.bfloat16):
        half = apply(real(side=64), *EVERY)
    whole = apply(real(side=64), *EVERY)
    assert half.image.dtype == torch.float32
    assert torch.equal(half.image, whole.image)
    assert torch.equal(half.label, whole.label)


@pytest.mark.parametrize("level", [0.2, 1500.0])
def test_all_together_keep_type_unit_and_no_data(level):  # pitfalls 9, 12
    batch, std = real(level=level), torch.full((2,), 0.1 * level)
    changed = process_and_augment(batch, torch.full((2,), level), std, EVERY, generator())
    assert changed.image.dtype == torch.float32
    assert changed.label.dtype == torch.int64
    assert changed.image.abs().max() < 8  # deviations: 4 of the noise drawn above, 2 of brightness
    assert not changed.image[~changed.valid[:, None].expand_as(changed.image)].any()
    assert set(changed.label.unique().tolist()) <= {-1, 0, 1, 2}


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_the_unit_does_not_matter(spec):  # pitfall 12
    results = []
    for level in (0.15, 1500.0):
        mean, std = torch.tensor([level, 0.5 * level]), torch.tensor([0.1, 0.2]) * level
        results.append(process_and_augment(real(level=level), mean, std, [spec], generator()))
    assert torch.equal(results[0].label, results[1].label)
    np.testing.assert_allclose(results[0].image, results[1].image, rtol=1e-4, atol=1e-4)


@given(st.data())
def test_every_augmentation_keeps_shapes_types_and_missing_pixels(data):  # pitfalls 9, 16, 21
    height, width, bands, dates = (data.draw(st.integers(*limits)) for limits in ((1, 20), (1, 20), (1, 5), (1, 4)))
    seed, samples, share = data.draw(st.integers(0, 999)), data.draw(st.integers(1, 4)), data.draw(st.floats(0, 1))
    names = data.draw(st.lists(st.sampled_from(EVERY), max_size=4))
    ignore_index = data.draw(st.sampled_from([-1, 255]))
    valid = torch.rand(samples, dates, height, width, generator=generator(seed)) < share
    image = torch.rand(samples, bands, dates, height, width, generator=generator(seed + 1))
    label = torch.randint(0, 5, (samples, height, width), generator=generator(seed + 2))
    label = label.masked_fill(~valid.any(1), ignore_index)
    batch = Sample(image.masked_fill(~valid[:, None], -9999), valid, label)
    done = apply(batch, *names, seed=seed, ignore_index=ignore_index)
    for name in ("image", "valid", "label"):
        before, after = getattr(batch, name), getattr(done, name)
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
    assert done.image.isfinite().all()
    assert done.image.abs().max() < 4  # far from -9999
    assert not done.image[~done.valid[:, None].expand_as(done.image)].any()
    assert set(done.label.unique().tolist()) <= {*label.unique().tolist(), ignore_index}
    assert (done.label[~done.valid.any(1)] == ignore_index).all()


def test_without_augmentations_no_random_numbers_are_drawn():  # pitfall 1
    batch = numbered(2, 4, 4)
    state = torch.get_rng_state()
    ready = process_and_augment(batch, torch.zeros(2), torch.ones(2))
    assert torch.equal(ready.image, batch.image)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_given_batch_is_not_changed():
    batch, fresh = real(), real()
    for chosen in (EVERY, [AugmentationSpec("hflip", 0)], *((spec,) for spec in EVERY)):
        apply(batch, *chosen)
        assert torch.equal(batch.image, fresh.image)
        assert torch.equal(batch.valid, fresh.valid)
        assert torch.equal(batch.label, fresh.label)


def test_batches_without_labels_are_augmented():  # pitfall 7
    batch = numbered(2, 8, 8)
    assert apply(Sample(batch.image, batch.valid), *EVERY).label is None


def test_augmentation_needs_a_generator():
    with pytest.raises(ValueError, match="needs a generator"):
        process_and_augment(filled(0, 4, 4), torch.zeros(1), ONE, (AugmentationSpec("hflip", 1),))


@pytest.mark.parametrize("spec", EVERY, ids=lambda spec: spec.name)
def test_coordinates_stay_with_their_chips(spec):  # pitfall 26
    temporal, location = torch.tensor([[[2020.0, 1.0]], [[2021.0, 2.0]]]), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    batch = Sample(torch.ones(2, 1, 1, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool), None, temporal, location)
    done = process_and_augment(batch, torch.zeros(1), ONE, (spec,), generator())
    assert torch.equal(done.temporal_coords, temporal)
    assert torch.equal(done.location_coords, location)


def test_settings_list_augmentations_in_their_order():
    assert [spec.name for spec in augmentations_from_settings(Settings())] == ["hflip", "vflip"]
    named = list(vars(Augmentations()))
    assert named == [*AUGMENTATIONS, "own"] == [*PARAMETERS, "own"]


def test_every_setting_reaches_its_augmentation():
    classes = {name: type(entry) for name, entry in vars(Augmentations()).items() if name in AUGMENTATIONS}
    wavelengths = [WAVELENGTHS_UM[name] for name in PRITHVI_BANDS]  # not a setting, but that of the bands
    parameters = PARAMETERS | {"haze": {"max_offset": 800}}
    made = {name: kind(use=True, p=0.3, **parameters[name]) for name, kind in classes.items()}
    optical = Augmentations(**{name: entry for name, entry in made.items() if name != "speckle"})
    radar = Augmentations(**{name: entry for name, entry in made.items() if name not in ("brightness", "haze")})
    specs = augmentations_from_settings(Settings(dataloader=DataSettings(augmentations=optical)))
    others = augmentations_from_settings(Settings(dataloader=DataSettings(augmentations=radar, radar_unit="db")))
    parameters["haze"]["wavelengths"] = wavelengths
    expected = tuple(AugmentationSpec(name, 0.3, parameters[name]) for name in AUGMENTATIONS)
    assert specs == tuple(spec for spec in expected if spec.name != "speckle")
    assert others == tuple(spec for spec in expected if spec.name not in ("brightness", "haze"))
    assert not any(isinstance(entry, OwnAugmentation) for entry in made.values())
    assert all(isinstance(entry, Augmentation) for entry in made.values())
