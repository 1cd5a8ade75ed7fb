"""Facts of labels: rasters and values of the table."""

import numpy as np
import pytest
from affine import Affine

from instageo.data.chip_facts.facts import ImageView
from instageo.data.chip_facts.label import (
    add_counts,
    class_text,
    count_classes,
    describe_mismatch,
    raster_label_facts,
    value_label_facts,
)
from instageo.raster.grid import Grid, Raster
from tests.cleaning import chip_grid


def label(values):
    values = np.asarray(values)[None]
    return Raster(values, np.ones(values.shape, bool), Grid(None, Affine.identity(), *values.shape[1:]), ("",))


@pytest.mark.parametrize(("values", "ignore", "labelled", "counts"), [
    (np.array([[0, 1], [1, -1]], np.int16), None, 3, {0.0: 1, 1.0: 2}),
    (np.array([[0, 1], [1, 2]], np.uint8), (0.0,), 3, {1.0: 2, 2.0: 1}),
    (np.array([[0, -1], [-9999, 2]], np.float32), None, 2, {0.0: 1, 2.0: 1}),
    (np.array([[0.5, -1], [-9999, 2]], np.float32), None, 3, None),
    (np.array([[-1, -1]], np.int16), None, 0, {}),
])  # fmt: skip
def test_pixels_of_classes_are_counted_and_ignored_values_are_not(values, ignore, labelled, counts):
    facts = raster_label_facts(label(values), ignore, None, None)
    assert (facts.labelled, facts.counts) == (labelled, counts)


def test_only_observed_pixels_count_as_labelled():
    view = ImageView(np.array([[True, False], [False, False]]), np.zeros((2, 2), np.float32))
    assert raster_label_facts(label(np.array([[1, 1], [1, 1]])), None, None, view).labelled == 1


def test_the_content_of_a_label_is_that_of_its_valid_pixels():
    one, same, other = (
        raster_label_facts(label(np.array(values, np.int16)), (-1.0, -2.0), None, None).content
        for values in ([[1, -1]], [[1, -2]], [[2, -1]])
    )
    assert one == same != other


@pytest.mark.parametrize(("text", "counts"), [
    ("3", {3.0: 1}), ("1;2", {1.0: 1, 2.0: 1}), ("-", {}), ("0.5", None), ("nan", None),
    ("Wald;See", {"Wald": 1, "See": 1}),
])  # fmt: skip
def test_labels_in_the_table_are_classes_or_values(text, counts):
    facts = value_label_facts(text, 100)
    assert (facts.labelled, facts.counts) == (100, counts)


def test_few_and_many_classes_are_counted_alike():
    few = np.array([-3, 4, 4, -3, 0], np.int16)
    assert count_classes(few) == {-3.0: 2, 0.0: 1, 4.0: 2}
    assert count_classes(np.append(few, np.int16(90))) == {-3.0: 2, 0.0: 1, 4.0: 2, 90.0: 1}
    assert count_classes(np.array([2**64 - 1, 2**64 - 1], np.uint64)) == {2.0**64: 2}


def test_many_different_whole_numbers_are_values():
    assert len(count_classes(np.arange(256))) == 256
    assert count_classes(np.arange(257)) is None
    assert count_classes(np.arange(2000.0)) is None
    assert count_classes(np.array([-5, 70_000, 70_000])) == {-5.0: 1, 70_000.0: 2}


def test_counts_of_labels_are_added_by_pixels_and_by_chips():
    pixels, chips = add_counts([raster_label_facts(label(np.array(values)), None, None, None)
                                for values in ([[0, 1]], [[1, 1]])])  # fmt: skip
    assert (dict(pixels), dict(chips)) == ({0.0: 1, 1.0: 3}, {0.0: 1, 1.0: 2})
    assert [class_text(value) for value in (3.0, "Wald")] == ["3", "Wald"]


@pytest.mark.parametrize(("rows", "columns", "size", "expected"), [
    (0, 0, 64, ""),
    (2, 5, 64, "2.0 rows and 5.0 columns"),
    (0, 0, 32, "the label has 32 x 32 pixels, the chip 64 x 64"),
])  # fmt: skip
def test_a_label_elsewhere_or_of_another_size_is_described(rows, columns, size, expected):
    chip = chip_grid(1)
    found = describe_mismatch(chip.window(rows, columns, size, size), chip)
    assert expected in found if expected else found == ""
