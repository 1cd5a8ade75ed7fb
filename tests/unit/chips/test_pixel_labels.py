"""Labels of pixels: stored values become classes or values; anything else is one readable sentence."""

import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.errors import DataError, InstaGeoError, RasterError
from instageo.model.chips.pixel_labels import LabelFormat, TargetFormat

NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "stored", "tag", "label_format", "expected"),
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
def test_label_values_become_classes(make_raster, kind, stored, tag, label_format, expected):
    path = make_raster("label.tif", np.array([stored], dtype=kind), no_data_value=tag)
    label = label_format.read(path)
    assert label.dtype == np.int64
    assert label.tolist() == [expected]


@pytest.mark.parametrize(
    ("stored", "label_format", "words"),
    [
        ([0, 1, 7, 9, 7], LabelFormat(2), r"label values \[7, 9\] are outside the classes 0\.\.1"),
        ([0, 1, -3], LabelFormat(2), r"\[-3\] are outside the classes 0\.\.1"),
        ([0, 1, 255], LabelFormat(2), r"\[255\] are outside"),  # ignore_index is -1
        ([0, 1, 3], LabelFormat(2, reduce_to_zero=True), r"\[3\] are outside the classes 1\.\.2"),
        ([0, 1], LabelFormat(2, replace_label=(1, 5)), r"\[5\] are outside"),
        (list(range(100)), LabelFormat(2), r"\[2, 3, 4, 5, 6, 7, 8, 9\] are outside"),
    ],
)
def test_label_values_outside_the_classes_raise_an_error(make_raster, stored, label_format, words):  # pitfall 18
    with pytest.raises(DataError, match=rf"label\.tif: .*{words}"):
        label_format.read(make_raster("label.tif", np.array([stored], dtype=np.int16)))


def test_fractional_float32_labels_raise_an_error(make_raster):
    path = make_raster("label.tif", np.array([[0, 0.5]], dtype=np.float32))
    with pytest.raises(RasterError, match=r"label\.tif: label values are fractional"):
        LabelFormat(2).read(path)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"])
def test_zero_is_ignored_if_classes_count_from_one(make_raster, kind):  # pitfall 13
    path = make_raster("label.tif", np.array([[0, 1, 2]], dtype=kind))
    label = LabelFormat(2, reduce_to_zero=True).read(path)
    assert label.dtype == np.int64
    assert label.tolist() == [[-1, 0, 1]]
    assert LabelFormat(2, 255, reduce_to_zero=True).read(path).tolist() == [[255, 0, 1]]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint32", 2**32 - 1),
        ("int64", 2**62),
        ("float32", 1e30),
        ("float64", 1e300),
        ("float64", -1e300),
        ("int32", -2),
    ],
)
def test_very_large_values_raise_an_error_in_one_sentence(make_raster, kind, value):  # pitfall 18
    path = make_raster("label.tif", np.array([[0, value]], dtype=kind))
    with pytest.raises(InstaGeoError, match=r"label\.tif: label values"):
        LabelFormat(2).read(path)


def test_fractional_float64_labels_raise_an_error(make_raster):  # pitfall 18
    with pytest.raises(RasterError, match="fractional"):
        LabelFormat(2).read(make_raster("label.tif", np.array([[0.5, 1]])))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_not_labels(make_raster, value):  # pitfalls 9, 18
    path = make_raster("label.tif", np.array([[value, 1]], dtype=np.float32))
    assert LabelFormat(2).read(path).tolist() == [[-1, 1]]


def test_an_ignored_value_far_from_the_classes_is_ignored(make_raster):  # pitfall 11
    path = make_raster("label.tif", np.array([[-9999, 1]], dtype=np.int16))
    assert LabelFormat(2, -9999).read(path).tolist() == [[-9999, 1]]


@pytest.mark.parametrize(("pair", "expected"), [((255, 0), [0, 0, 1]), ((0, 1), [-1, 1, 1]), ((1, -1), [-1, 0, -1])])
def test_values_are_replaced_before_anything_else(make_raster, pair, expected):  # pitfall 13
    path = make_raster("label.tif", np.array([[255, 0, 1]], dtype=np.uint8))
    if pair[0] != 255:
        with pytest.raises(DataError, match=r"label values \[255\]"):
            LabelFormat(2, -1, False, pair).read(path)
        path = make_raster("tagged.tif", np.array([[255, 0, 1]], dtype=np.uint8), no_data_value=255)
    assert LabelFormat(2, -1, False, pair).read(path).tolist() == [expected]


def test_no_data_and_ignored_values_become_nan(make_raster):
    values = np.array([[-1, 0.5, NAN], [7, -9999, 3]], np.float32)
    path = make_raster("label.tif", values, no_data_value=-9999)
    assert_array_equal(TargetFormat(-1).read(path), [[NAN, 0.5, NAN], [7, NAN, 3]])
    assert_array_equal(TargetFormat(-1, replace_label=(7, -1)).read(path), [[NAN, 0.5, NAN], [NAN, NAN, 3]])


def test_a_label_without_a_logarithm_is_named_with_its_file(make_raster):
    path = make_raster("label.tif", np.array([[0.5, -3]], np.float32))
    with pytest.raises(DataError, match=r"label\.tif: has the label -3, but model\.use_log_scale=true"):
        TargetFormat(-1, lower_bound=-1).read(path)
    assert TargetFormat(-3, lower_bound=-1).read(path)[0, 0] == 0.5
    with pytest.raises(DataError, match="expected labels above -3"):
        TargetFormat(-1, lower_bound=-3).read(path)


@pytest.mark.parametrize("infinite", [float("-inf"), float("inf")])
def test_an_infinite_label_is_refused(infinite):
    stored = np.array([[0.5, infinite]], np.float32)
    with pytest.raises(DataError, match=r"label\.tif: has an infinite label"):
        TargetFormat(-1).to_values(stored, "label.tif")
    assert TargetFormat(-1).to_values(stored[:, :1], "label.tif").tolist() == [[0.5]]
