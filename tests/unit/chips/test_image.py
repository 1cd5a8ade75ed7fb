"""Layers become dates and bands, and missing pixels stay missing."""

import numpy as np
import pytest

from instageo.errors import RasterError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.image import Chip, read_chip

NAN = float("nan")


@pytest.mark.parametrize(
    ("chip_format", "expected"),
    [
        (ChipFormat(), [[0], [1], [2], [3], [4], [5]]),
        (ChipFormat(temporal_dim=2), [[0, 3], [1, 4], [2, 5]]),  # layers 0, 1, 2 are the first date
        (ChipFormat(temporal_dim=3), [[0, 2, 4], [1, 3, 5]]),
        (ChipFormat(temporal_dim=2, bands=(5, 0, 1, 2)), [[5, 1], [0, 2]]),
        (ChipFormat(bands=(3,)), [[3]]),
    ],
)
def test_layers_are_dates_then_bands(make_raster, chip_format, expected):  # pitfalls 14, 17
    path = make_raster("chip.tif", np.arange(6, dtype=np.uint8)[:, None, None])
    chip = read_chip(path, chip_format)
    assert chip.image[:, :, 0, 0].tolist() == expected
    assert chip.image.dtype == np.float32
    assert chip.image.flags.c_contiguous


@pytest.mark.parametrize(("layers", "dates"), [(13, 2), (1, 3), (6, 4)])
def test_layers_that_do_not_divide_into_dates_raise_an_error(make_raster, layers, dates):  # pitfall 14
    path = make_raster("chip.tif", np.zeros((layers, 1, 1), np.uint8))
    with pytest.raises(RasterError, match=rf"chip\.tif: {layers} layers? .* into {dates} dates"):
        read_chip(path, ChipFormat(temporal_dim=dates))


@pytest.mark.parametrize(
    ("kind", "chip_format", "expected"),
    [
        ("int16", ChipFormat(no_data_value=-9999), [0, 0, 500, 12000]),
        ("int16", ChipFormat(no_data_value=-9999, multiplier=0.0001), [0, 0, 0.05, 1.2]),
        ("int16", ChipFormat(no_data_value=-9999, multiplier=0.0001, max_value=1), [0, 0, 0.05, 1]),
        ("int16", ChipFormat(no_data_value=-9999, multiplier=0.5, offset=-100), [0, -100, 150, 5900]),
        ("float32", ChipFormat(no_data_value=-9999, max_value=1000), [0, 0, 500, 1000]),
    ],
)
def test_no_data_is_recognised_before_scaling(make_raster, kind, chip_format, expected):  # pitfall 9
    chip = read_chip(make_raster("chip.tif", np.array([[-9999, 0, 500, 12000]], dtype=kind)), chip_format)
    assert chip.valid[0, 0].tolist() == [False, True, True, True]
    np.testing.assert_allclose(chip.image[0, 0, 0], expected, rtol=1e-6)


def test_a_missing_band_makes_only_its_own_date_invalid(make_raster):  # pitfalls 6, 9
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


def test_a_nan_tag_does_not_replace_the_no_data_value_of_the_settings(make_raster):  # pitfall 9
    values = np.array([[[-9999, 1, NAN]], [[2, 3, 4]]], np.float32)
    chip = read_chip(make_raster("chip.tif", values, no_data_value=NAN), ChipFormat(no_data_value=-9999))
    assert chip.valid.tolist() == [[[False, True, False]]]


def test_a_chip_keeps_its_grid(make_raster, grid):  # pitfalls 2, 16
    assert read_chip(make_raster("chip.tif", np.zeros((1, 3, 5), np.uint8)), ChipFormat()).grid == grid(3, 5)


def test_parts_of_a_chip_must_agree(grid):
    with pytest.raises(ValueError, match=r"image \(1, 1, 2, 2\), valid \(1, 2, 3\)"):
        Chip(np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 2, 3), bool), grid(2, 2))


@pytest.mark.parametrize(
    ("image", "valid", "grid_sides"), [((2, 1, 3, 4), (2, 3, 4), (3, 4)), ((2, 1, 3, 4), (1, 3, 4), (4, 3))]
)
def test_a_chip_whose_parts_differ_in_shape_is_refused(image, valid, grid_sides, grid):
    with pytest.raises(ValueError, match="image"):
        Chip(np.zeros(image, np.float32), np.ones(valid, bool), grid(*grid_sides))
