"""Layers become dates and bands, label values become classes, and what is missing stays missing."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.errors import DataError, RasterError
from instageo.model.chips.factory import chip_format_from_settings, label_format_from_settings
from instageo.model.chips.image import Chip, ChipFormat, read_chip
from instageo.model.chips.pixel_labels import LabelFormat, read_label
from instageo.model.settings import DataSettings, ModelSettings, Settings, TrainSettings
from instageo.model.settings.resolve import describe_layout

NAN = float("nan")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (ChipFormat(), [[0], [1], [2], [3], [4], [5]]),
        (ChipFormat(temporal_dim=2), [[0, 3], [1, 4], [2, 5]]),  # layers 0, 1, 2 are the first date
        (ChipFormat(temporal_dim=3), [[0, 2, 4], [1, 3, 5]]),
        (ChipFormat(temporal_dim=2, bands=(5, 0, 1, 2)), [[5, 1], [0, 2]]),
        (ChipFormat(bands=(3,)), [[3]]),
    ],
)
def test_layers_are_dates_then_bands(make_raster, form, expected):  # pitfalls 14, 17
    path = make_raster("chip.tif", np.arange(6, dtype=np.uint8)[:, None, None])
    chip = read_chip(path, form)
    assert chip.image[:, :, 0, 0].tolist() == expected
    assert chip.image.dtype == np.float32
    assert chip.image.flags.c_contiguous


@pytest.mark.parametrize(("layers", "dates"), [(13, 2), (1, 3), (6, 4)])
def test_layers_that_are_no_whole_dates_are_refused(make_raster, layers, dates):  # pitfall 14
    path = make_raster("chip.tif", np.zeros((layers, 1, 1), np.uint8))
    with pytest.raises(RasterError, match=rf"chip\.tif: {layers} layers .* for {dates} dates"):
        read_chip(path, ChipFormat(temporal_dim=dates))


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        ("int16", ChipFormat(no_data_value=-9999), [0, 0, 500, 12000]),
        ("int16", ChipFormat(no_data_value=-9999, multiplier=0.0001), [0, 0, 0.05, 1.2]),
        ("int16", ChipFormat(no_data_value=-9999, multiplier=0.0001, limit=1), [0, 0, 0.05, 1]),
        ("int16", ChipFormat(no_data_value=-9999, multiplier=0.5, offset=-100), [0, -100, 150, 5900]),
        ("float32", ChipFormat(no_data_value=-9999, limit=1000), [0, 0, 500, 1000]),
    ],
)
def test_no_data_is_known_before_scaling(make_raster, kind, form, expected):  # pitfall 9
    chip = read_chip(make_raster("chip.tif", np.array([[-9999, 0, 500, 12000]], dtype=kind)), form)
    assert chip.valid[0, 0].tolist() == [False, True, True, True]
    np.testing.assert_allclose(chip.image[0, 0, 0], expected, rtol=1e-6)


def test_a_missing_band_makes_its_date_invalid_alone(make_raster):  # pitfalls 6, 9
    values = np.ones((4, 1, 3), np.float32)
    values[1, 0, 0] = -9999  # date 1, band 2
    values[2, 0, 1] = NAN  # date 2, band 1
    chip = read_chip(make_raster("chip.tif", values, no_data_value=-9999), ChipFormat(temporal_dim=2))
    assert chip.valid[:, 0].tolist() == [[False, True, True], [True, False, True]]
    assert chip.image[:, :, 0].tolist() == [[[0, 1, 1], [1, 0, 1]], [[0, 1, 1], [1, 0, 1]]]


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_lowest_number_may_mean_no_data(make_raster, kind):  # pitfall 9
    tag = float(np.finfo(kind).min)
    chip = read_chip(make_raster("chip.tif", np.array([[tag, 5]], dtype=kind), no_data_value=tag), ChipFormat())
    assert chip.valid.tolist() == [[[False, True]]]
    assert chip.image.tolist() == [[[[0, 5]]]]


def test_a_chip_keeps_its_grid(make_raster, grid):  # pitfalls 2, 16
    assert read_chip(make_raster("chip.tif", np.zeros((1, 3, 5), np.uint8)), ChipFormat()).grid == grid(3, 5)


def test_parts_of_a_chip_must_agree(grid):
    with pytest.raises(ValueError, match=r"image \(1, 1, 2, 2\), valid \(1, 2, 3\)"):
        Chip(np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 2, 3), bool), grid(2, 2))


@pytest.mark.parametrize(
    ("kind", "stored", "tag", "form", "expected"),
    [
        ("uint8", [0, 1, 2], None, LabelFormat(3), [0, 1, 2]),
        ("int8", [-1, 0, 1], None, LabelFormat(2), [-1, 0, 1]),
        ("uint8", [0, 1, 255], None, LabelFormat(2, ignore_index=255), [0, 1, 255]),
        ("uint8", [0, 1, 255], 255, LabelFormat(2), [0, 1, -1]),  # the file's tag
        ("int16", [0, 1, -9999], -9999, LabelFormat(2, ignore_index=255), [0, 1, 255]),
        ("float32", [0, 1, NAN], None, LabelFormat(2), [0, 1, -1]),
        ("uint8", [0, 1, 2], None, LabelFormat(2, reduce_to_zero=True), [-1, 0, 1]),  # pitfall 13
        ("uint8", [0, 1, 255], None, LabelFormat(2, ignore_index=255, reduce_to_zero=True), [255, 0, 255]),
        ("uint8", [0, 13, 7], None, LabelFormat(13, reduce_to_zero=True), [-1, 12, 6]),
        ("uint8", [0, 1, 2], 0, LabelFormat(2, reduce_to_zero=True), [-1, 0, 1]),
        ("uint8", [0, 1, 2], None, LabelFormat(2, replace_label=(2, 0)), [0, 1, 0]),
        ("uint8", [0, 1, 255], None, LabelFormat(2, replace_label=(255, -1)), [0, 1, -1]),
        ("uint8", [0, 1, 9], None, LabelFormat(2, reduce_to_zero=True, replace_label=(9, 2)), [-1, 0, 1]),
        ("uint8", [0, 1, 9], 9, LabelFormat(2, replace_label=(0, 1)), [1, 1, -1]),
        ("uint8", [0, 128, 199], None, LabelFormat(200), [0, 128, 199]),  # pitfall 4
        ("uint16", [0, 300, 65535], 65535, LabelFormat(301), [0, 300, -1]),
        ("float64", [0, 1, -1], None, LabelFormat(2), [0, 1, -1]),
    ],
)
def test_label_values_become_classes(make_raster, kind, stored, tag, form, expected):
    path = make_raster("label.tif", np.array([stored], dtype=kind), no_data_value=tag)
    label = read_label(path, form)
    assert label.dtype == np.int64
    assert label.tolist() == [expected]


@pytest.mark.parametrize(
    ("stored", "form", "words"),
    [
        ([0, 1, 7, 9, 7], LabelFormat(2), r"label values \[7, 9\] are outside the classes 0\.\.1"),
        ([0, 1, -3], LabelFormat(2), r"\[-3\] are outside the classes 0\.\.1"),
        ([0, 1, 255], LabelFormat(2), r"\[255\] are outside"),  # ignore_index is -1
        ([0, 1, 3], LabelFormat(2, reduce_to_zero=True), r"\[3\] are outside the classes 1\.\.2"),
        ([0, 1], LabelFormat(2, replace_label=(1, 5)), r"\[5\] are outside"),
        (list(range(100)), LabelFormat(2), r"\[2, 3, 4, 5, 6, 7, 8, 9\] are outside"),
    ],
)
def test_label_values_outside_the_classes_are_refused(make_raster, stored, form, words):  # pitfall 18
    with pytest.raises(DataError, match=rf"label\.tif: .*{words}"):
        read_label(make_raster("label.tif", np.array([stored], dtype=np.int16)), form)


def test_fractional_labels_are_refused(make_raster):
    path = make_raster("label.tif", np.array([[0, 0.5]], dtype=np.float32))
    with pytest.raises(RasterError, match=r"label\.tif: label values are fractional"):
        read_label(path, LabelFormat(2))


def test_only_the_first_layer_of_a_label_counts(make_raster):
    path = make_raster("label.tif", np.array([[[1]], [[9]]], dtype=np.uint8))
    assert_array_equal(read_label(path, LabelFormat(2)), [[1]])


def test_formats_follow_the_settings():
    settings = Settings(
        train=TrainSettings(ignore_index=255),
        model=ModelSettings(num_classes=13),
        dataloader=DataSettings(
            temporal_dim=2, mean=[1, 2], std=[1, 1], bands=[3, 2, 1, 0], no_data_value=0, constant_multiplier=0.1,
            constant_offset=30, max_pixel_value=7, reduce_to_zero=True, replace_label=[4, 5],
        ),
    )  # fmt: skip
    assert chip_format_from_settings(settings) == ChipFormat(2, (3, 2, 1, 0), 0, 0.1, 30, 7)
    assert label_format_from_settings(settings) == LabelFormat(13, 255, True, (4, 5))


@pytest.mark.parametrize(
    ("data", "layers", "expected"),
    [
        (DataSettings(), 6, "BLUE, GREEN, RED, NIR_NARROW, SWIR_1, SWIR_2 as date 1: layers [0, 1, 2, 3, 4, 5]"),
        (
            DataSettings(temporal_dim=2, mean=[0, 0], std=[1, 1], bands=[5, 4, 1, 0]), 9,
            "BAND_1, BAND_2 as date 1: layers [5, 4]; date 2: layers [1, 0]",
        ),
        (
            DataSettings(temporal_dim=3, mean=[0], std=[1]), 3,
            "BAND_1 as date 1: layers [0]; date 2: layers [1]; date 3: layers [2]",
        ),
    ],
)  # fmt: skip
def test_the_layout_is_said_in_words(data, layers, expected):  # pitfall 17
    assert describe_layout(Settings(dataloader=data), layers) == f"reading {expected} (counted from 0)"
