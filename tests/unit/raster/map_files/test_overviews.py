"""Overviews: shapes of levels, modes and means of 2 x 2 pixels, against loops and GDAL."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from instageo.raster.map_files.overviews import halve_classes, halve_values, level_shapes

NAN = float("nan")


def windows(layer):
    """Row, column and the four values in reading order of each pixel of the overview; the last row and column twice."""
    height, width = layer.shape
    for row in range((height + 1) // 2):
        for column in range((width + 1) // 2):
            rows, columns = (2 * row, min(2 * row + 1, height - 1)), (2 * column, min(2 * column + 1, width - 1))
            yield row, column, [layer[r, c] for r in rows for c in columns]


def mode_by_loop(layer, no_data):
    halved = np.empty([(side + 1) // 2 for side in layer.shape], layer.dtype)
    for row, column, values in windows(layer):
        known = [value for value in values if no_data is None or value != no_data]
        halved[row, column] = Counter(known).most_common(1)[0][0] if known else no_data  # the first in ties
    return halved


def mean_by_loop(layer, no_data):
    halved = np.empty([(side + 1) // 2 for side in layer.shape], layer.dtype)
    for row, column, values in windows(layer):
        known = [Fraction(value.item()) for value in values if value == value and value != no_data]
        mean = sum(known) / len(known) if known else no_data
        if known and layer.dtype.kind in "iu":
            mean = (mean + Fraction(1, 2)).__floor__()
        halved[row, column] = float(mean) if layer.dtype.kind == "f" else mean
    return halved


def overview_by_gdal(values, resampling, no_data=None):
    profile = {"driver": "GTiff", "dtype": values.dtype, "count": 1, "nodata": no_data, "transform": Affine.scale(2)}
    with MemoryFile() as memory:
        with memory.open(**profile, height=values.shape[0], width=values.shape[1]) as target:
            target.write(values, 1)
            target.build_overviews([2], resampling)
        with rasterio.open(memory.name, overview_level=0) as source:
            return source.read(1)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((512, 512), [(512, 512)]),
        ((1, 1), [(1, 1)]),
        ((513, 1), [(513, 1), (257, 1)]),
        ((1025, 2048), [(1025, 2048), (513, 1024), (257, 512)]),
        ((10980, 10980), [(10980, 10980), (5490, 5490), (2745, 2745), (1373, 1373), (687, 687), (344, 344)]),
    ],
)
def test_levels_halve_upwards_until_one_block_is_enough(shape, expected):
    assert level_shapes(*shape) == expected


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ([[1, 2], [3, 4]], 1), ([[1, 2], [3, 3]], 3), ([[1, 2], [2, 1]], 1), ([[2, 1], [1, 1]], 1),
        ([[1, 2], [2, 3]], 2),
        ([[9, 9], [9, 4]], 4), ([[9, 1], [2, 2]], 2), ([[9, 2], [1, 9]], 2),
        ([[9, 9], [9, 9]], 9), ([[9, 9], [3, 1]], 3),
    ],
)  # fmt: skip
def test_modes_that_can_be_counted_by_hand(pixels, expected):  # 9 is no-data
    assert halve_classes(np.array(pixels, np.uint8), 9).tolist() == [[expected]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("no_data", [None, 0, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (7, 1), (9, 13), (40, 41), (31, 30)])
def test_modes_are_those_of_a_loop(dtype, no_data, shape):
    classes = np.random.default_rng(0).integers(0, 4, (2, *shape)).astype(dtype)
    halved = halve_classes(classes, no_data)
    assert halved.dtype == dtype
    assert_array_equal(halved, [mode_by_loop(layer, no_data) for layer in classes])
    assert_array_equal(halve_classes(classes[1], no_data), halved[1])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("no_data", [None, 100])
@pytest.mark.parametrize("shape", [(1, 1), (9, 13), (31, 30)])
def test_means_of_integers_are_those_of_a_loop(dtype, no_data, shape):
    rng, limits = np.random.default_rng(0), np.iinfo(dtype)
    values = rng.integers(limits.min, limits.max, (2, *shape), dtype, endpoint=True)
    if no_data is not None:
        values[rng.random(values.shape) < 0.4] = no_data
    expected = np.stack([mean_by_loop(layer, no_data) for layer in values])
    equals_by_chance = np.zeros(expected.shape, bool)
    for layer, target in zip(values, equals_by_chance, strict=True):
        for row, column, four in windows(layer):
            target[row, column] = any(value != no_data for value in four)
    expected[(expected == no_data) & equals_by_chance] = 101
    halved = halve_values(values, no_data)
    assert halved.dtype == dtype
    assert_array_equal(halved, expected)


@pytest.mark.parametrize("no_data", [None, NAN, -9999.0])
@pytest.mark.parametrize("shape", [(1, 1), (9, 13), (31, 30)])
def test_means_of_floats_leave_out_nan_and_no_data(no_data, shape):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1000, (2, *shape)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = NAN
    if no_data is not None:
        values[rng.random(values.shape) < 0.3] = no_data
    halved = halve_values(values, no_data)
    assert halved.dtype == np.float32
    assert_array_equal(halved, [mean_by_loop(layer, NAN if no_data is None else no_data) for layer in values])


@pytest.mark.parametrize(
    ("dtype", "pixels", "no_data", "expected"),
    [
        ("uint8", [254, 255, 0, 0], 255, 85),
        ("uint8", [1, 2, 3, 4], 255, 3),
        ("uint8", [255, 255, 7, 8], 255, 8),
        ("uint16", [254, 256, 254, 256], 255, 256),
        ("uint8", [254, 254, 254, 254], 254, 254),
        ("int16", [-2, -1, -9999, -9999], -9999, -1),
        ("float32", [-1, 1, -1, 1], 0, np.float32(1e-45)),
        ("float32", [-9998, -10000, NAN, NAN], -9999, np.nextafter(np.float32(-9999), np.float32(0))),
    ],
)
def test_means_that_can_be_computed_by_hand(dtype, pixels, no_data, expected):
    assert halve_values(np.array(pixels, dtype).reshape(2, 2), no_data).tolist() == [[expected]]


def test_a_valid_mean_at_the_end_of_the_type_moves_down():
    assert halve_values(np.array([[254, 254], [255, 255]], np.uint8), None).tolist() == [[255]]
    assert halve_values(np.array([[65534, 65534], [65535, 65534]], np.uint16), 65535).tolist() == [[65534]]


def test_unique_modes_are_those_of_gdal():
    classes = np.random.default_rng(0).integers(0, 3, (64, 70)).astype(np.uint8)
    unique = np.zeros((32, 35), bool)
    for row, column, values in windows(classes):
        counts = sorted(Counter(values).values())
        unique[row, column] = len(counts) == 1 or counts[-1] > counts[-2]
    assert unique.sum() > 500
    assert_array_equal(halve_classes(classes, None)[unique], overview_by_gdal(classes, Resampling.mode)[unique])


@pytest.mark.parametrize("no_data", [None, 255])
def test_means_of_bytes_are_those_of_gdal(no_data):
    values = np.random.default_rng(0).integers(0, 255, (64, 70)).astype(np.uint8)
    if no_data is not None:
        values[:20, :30] = values[30, ::2] = no_data
    assert_array_equal(halve_values(values, no_data), overview_by_gdal(values, Resampling.average, no_data))
