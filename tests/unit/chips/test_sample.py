"""Samples and batches of samples: tensors are mapped, cropped and stacked together."""

import pytest
import torch

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import Sample, ignored_value, label_mask, stack_samples, zero_invalid
from tests.readers import load_sample, located_rows

CHIPS, LABELS = ChipFormat(no_data_value=-9999), LabelFormat(3)


@pytest.fixture
def rows(make_raster):
    return located_rows(make_raster)


def test_stacking_by_hand():
    one = Sample(torch.ones(2, 1, 3, 3), torch.ones(1, 3, 3, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.long))
    batch = stack_samples([one, one])
    assert batch.image.shape == (2, 2, 1, 3, 3)
    assert batch.valid.shape == (2, 1, 3, 3)
    assert batch.label.shape == (2, 3, 3)
    assert stack_samples([Sample(one.image, one.valid)]).label is None


def test_a_batch_keeps_the_coordinates_of_each_chip(rows):
    batch = stack_samples([load_sample(row, CHIPS, LABELS) for row in rows])
    assert batch.temporal_coords.shape == (6, 1, 2)
    assert batch.location_coords.shape == (6, 2)
    assert batch.temporal_coords.isfinite().all(-1)[:, 0].tolist() == [False, True, False, False, False, True]
    assert batch.location_coords.isfinite().all(-1).tolist() == [True, True, True, True, False, False]


def test_a_batch_of_chips_without_coordinates_has_none():
    bare = Sample(torch.ones(1, 1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool))
    full = Sample(bare.image, bare.valid, None, torch.ones(1, 2), torch.ones(2))
    assert stack_samples([bare, bare]).temporal_coords is None
    assert stack_samples([bare, full]).location_coords is None
    assert stack_samples([full, full]).location_coords.shape == (2, 2)


def test_moving_and_cropping_a_sample_keeps_its_coordinates(rows):
    sample = load_sample(rows[1], CHIPS, LABELS)
    changed = [sample.to(torch.device("cpu")), sample.crop(slice(0, 2), slice(1, 2)), sample.map(torch.clone)]
    for other in changed:
        assert torch.equal(other.temporal_coords, sample.temporal_coords)
        assert torch.equal(other.location_coords, sample.location_coords)
    doubled = sample.map(lambda tensor: torch.cat([tensor, tensor]))
    assert (doubled.temporal_coords.shape, doubled.location_coords.shape) == ((2, 2), (4,))


def test_cropping_by_hand():
    numbers = torch.arange(12).view(3, 4)
    sample = Sample(numbers.float().expand(2, 1, 3, 4), numbers[None] > 0, numbers)
    cropped = sample.crop(slice(1, 3), slice(0, 2))
    assert cropped.label.tolist() == [[4, 5], [8, 9]]
    assert cropped.image[1, 0].tolist() == [[4, 5], [8, 9]]
    assert cropped.valid.all()


def test_an_image_level_label_is_not_cropped():
    sample = Sample(torch.ones(1, 1, 3, 4), torch.ones(1, 3, 4, dtype=torch.bool), torch.tensor([[2]]))
    assert sample.pixel_label is None
    assert sample.crop(slice(1, 3), slice(0, 2)).label.tolist() == [[2]]


def test_missing_labels_are_the_ignored_class_or_nan():
    classes, values = torch.tensor([[0, 255]]), torch.tensor([[0.5, torch.nan]])
    assert ignored_value(classes, 255) == 255
    assert torch.tensor(ignored_value(values, 255)).isnan()
    assert label_mask(classes, 255).tolist() == label_mask(values, 255).tolist() == [[True, False]]


@pytest.mark.parametrize("missing", [-9999.0, torch.nan, torch.inf])
def test_invalid_pixels_become_zero(missing):  # pitfall 9
    image = torch.tensor([[[[5.0, missing]], [[missing, 7.0]]]])
    valid = torch.tensor([[[True, False]], [[False, True]]])
    assert zero_invalid(image, valid).tolist() == [[[[5, 0]], [[0, 7]]]]
    assert image[0, 1, 0, 1] == 7
    assert image[0, 0, 0, 1] != 0
    assert zero_invalid(image, valid, in_place=True).data_ptr() == image.data_ptr()
    assert image.tolist() == [[[[5, 0]], [[0, 7]]]]
