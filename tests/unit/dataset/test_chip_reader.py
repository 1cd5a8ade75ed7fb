"""Rows as samples: labels count where a date is valid, and every sample has the coordinates of its own chip."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset, build_eval_loader
from instageo.table import Row
from tests.readers import load_sample, located_rows, reader_of

CHIPS, LABELS = ChipFormat(no_data_value=-9999), LabelFormat(3)


@pytest.fixture
def rows(make_raster):
    return located_rows(make_raster)


@pytest.mark.parametrize("ignore_index", [-1, 255])
def test_a_label_counts_where_a_date_is_valid(make_raster, ignore_index):  # pitfall 6
    values = np.array([[[-9999, -9999, 3]], [[-9999, 3, 3]]], dtype=np.int16)
    label = make_raster("label.tif", np.ones((1, 3), np.uint8))
    row = Row("chip.tif", str(make_raster("chip.tif", values)), str(label))
    sample = load_sample(row, ChipFormat(temporal_dim=2, no_data_value=-9999), LabelFormat(2, ignore_index))
    assert sample.label.tolist() == [[ignore_index, 1, 1]]
    assert sample.valid[:, 0].tolist() == [[False, False, True], [False, True, True]]


def test_rows_without_a_label_have_none(rows):  # pitfall 7
    assert load_sample(Row("0", rows[0].input, None), CHIPS, LABELS).label is None
    assert load_sample(rows[0], CHIPS, None).label is None


def test_a_sample_has_the_coordinates_of_its_row(rows):  # pitfall 26
    sample = load_sample(rows[1], CHIPS, LABELS)
    assert sample.temporal_coords.tolist() == [[2024, 366]]
    torch.testing.assert_close(sample.location_coords, torch.tensor([36.144, -81.0]), atol=1e-3, rtol=0)
    assert load_sample(rows[3], CHIPS, None).location_coords.tolist() == [10, 20]
    unknown = load_sample(rows[4], CHIPS, LABELS)
    assert unknown.temporal_coords.isnan().all()
    assert unknown.location_coords.isnan().all()


@pytest.mark.parametrize("crop_size", [(2, 3), (9, 9)])
def test_random_crops_have_the_coordinates_of_their_chip(rows, crop_size):  # pitfall 26
    reader = reader_of(rows, CHIPS, LABELS)
    crops, whole = RandomCropDataset(reader, crop_size, -1), WholeChipDataset(reader)
    for number in range(len(rows)):
        for part in ("temporal_coords", "location_coords"):
            assert_array_equal(getattr(crops[7, number], part), getattr(whole[number], part))


def test_chips_for_scoring_have_their_own_coordinates(rows):
    loader = build_eval_loader(WholeChipDataset(reader_of(rows, CHIPS, LABELS)), 4, 0)
    dated = [bool(sample.temporal_coords.isfinite().all()) for batch in loader for sample in batch]
    assert dated == [False, True, False, False, False, True]


def test_a_reader_needs_shape_and_coordinates_of_every_row(rows):
    reader = reader_of(rows, CHIPS, LABELS)
    with pytest.raises(ValueError, match="6 rows, 6 shapes, 5 coordinates"):
        type(reader)(reader.rows, CHIPS, LABELS, reader.shapes, reader.coordinates[:5])
