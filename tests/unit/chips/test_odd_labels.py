"""Labels that are odd in type or value: classes, or one readable sentence."""

import math

import numpy as np
import pytest

from instageo.errors import DataError, InstaGeoError, RasterError
from instageo.model.chips.pixel_labels import LabelFormat, read_label


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"])
def test_zero_is_ignored_when_classes_count_from_one(make_raster, kind):  # pitfall 13
    path = make_raster("label.tif", np.array([[0, 1, 2]], dtype=kind))
    label = read_label(path, LabelFormat(2, reduce_to_zero=True))
    assert label.dtype == np.int64
    assert label.tolist() == [[-1, 0, 1]]
    assert read_label(path, LabelFormat(2, 255, reduce_to_zero=True)).tolist() == [[255, 0, 1]]


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
def test_far_values_are_refused_in_one_sentence(make_raster, kind, value):  # pitfall 18
    path = make_raster("label.tif", np.array([[0, value]], dtype=kind))
    with pytest.raises(InstaGeoError, match=r"label\.tif: label values"):
        read_label(path, LabelFormat(2))


def test_fractions_are_refused(make_raster):  # pitfall 18
    with pytest.raises(RasterError, match="fractional"):
        read_label(make_raster("label.tif", np.array([[0.5, 1]])), LabelFormat(2))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_label(make_raster, value):  # pitfalls 9, 18
    path = make_raster("label.tif", np.array([[value, 1]], dtype=np.float32))
    assert read_label(path, LabelFormat(2)).tolist() == [[-1, 1]]


def test_a_far_ignored_value_is_ignored(make_raster):  # pitfall 11
    path = make_raster("label.tif", np.array([[-9999, 1]], dtype=np.int16))
    assert read_label(path, LabelFormat(2, -9999)).tolist() == [[-9999, 1]]


@pytest.mark.parametrize(("pair", "expected"), [((255, 0), [0, 0, 1]), ((0, 1), [-1, 1, 1]), ((1, -1), [-1, 0, -1])])
def test_values_are_replaced_before_anything_else(make_raster, pair, expected):  # pitfall 13
    path = make_raster("label.tif", np.array([[255, 0, 1]], dtype=np.uint8))
    if pair[0] != 255:
        with pytest.raises(DataError, match=r"label values \[255\]"):
            read_label(path, LabelFormat(2, -1, False, pair))
        path = make_raster("tagged.tif", np.array([[255, 0, 1]], dtype=np.uint8), no_data_value=255)
    assert read_label(path, LabelFormat(2, -1, False, pair)).tolist() == [expected]
