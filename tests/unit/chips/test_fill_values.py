"""Values that no network can compute with are refused, with chip, band and value."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from instageo.errors import DataError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.fill_values import MAX_MAGNITUDE, check_magnitude
from instageo.model.chips.image import read_chip
from instageo.model.dataset.chip_reader import ChipReader
from instageo.model.dataset.datasets import WholeChipDataset
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.settings.keys import cut_advice
from instageo.table import Row

LOWEST = float(np.finfo(np.float32).min)


def chip(dtype, value, bands=2):
    """A chip of 4 x 5 pixels and two bands of one date; three pixels of the second band have the value."""
    values = np.full((bands, 4, 5), 500, dtype)
    values[1, 0, :3] = value
    return values


@pytest.mark.parametrize(
    ("dtype", "value", "shown"),
    [
        (np.float32, LOWEST, "-3.4028234663852886e+38"),
        (np.float64, -1.8e307, "-1.8e+307"),  # beyond float32
        (np.float64, 1e20, "1e+20"),
        (np.float32, 9.96921e36, "9.969209968386869e+36"),
    ],
)
def test_a_fill_value_that_no_tag_declares_is_refused(make_raster, dtype, value, shown):
    path = make_raster("b.tif", chip(dtype, value))
    with pytest.raises(DataError) as caught:
        read_chip(path, ChipFormat())
    assert str(caught.value).startswith(f"{path}: band 2 of date 1 has the value {shown} in 3 of 20 valid pixels")
    assert f"dataloader.no_data_value={shown}" in str(caught.value)


def test_the_value_that_the_message_names_solves_it(make_raster):
    path = make_raster("b.tif", chip(np.float32, LOWEST))
    read = read_chip(path, ChipFormat(no_data_value=-3.4028234663852886e38))
    assert read.valid.sum() == 17
    assert read.image.max() == 500


def test_the_band_of_a_later_date_is_named(make_raster):
    values = chip(np.float32, 0, bands=4)
    values[3, 2, 2] = 1e30  # two dates of two bands: the second band of the second date
    with pytest.raises(DataError, match=r"band 2 of date 2 has the value 1\.0000000150474662e\+30 in 1 of 20"):
        read_chip(make_raster("b.tif", values), ChipFormat(temporal_dim=2))


def test_a_factor_that_overflows_float32_is_refused(make_raster):
    with pytest.raises(DataError, match=r"has the value 1\.0000000150474662e\+30"):
        read_chip(make_raster("b.tif", chip(np.float32, 1e30)), ChipFormat(multiplier=1e10))


def test_clipped_and_ordinary_values_pass(make_raster):
    clipped = read_chip(make_raster("a.tif", chip(np.float32, 1e30)), ChipFormat(max_value=10000))
    assert clipped.image.max() == 10000
    assert read_chip(make_raster("c.tif", chip(np.float32, 1e17)), ChipFormat()).image.max() == np.float32(1e17)
    assert read_chip(make_raster("d.tif", chip(np.int32, -(2**31))), ChipFormat()).image.min() == -(2**31)


def test_the_check_of_a_table_names_it(make_raster):
    path = make_raster("b.tif", chip(np.float32, LOWEST))
    spec = InspectionSpec(ChipFormat(), None, with_moments=True)
    with pytest.raises(DataError, match=r"b\.tif: band 2 of date 1"):
        inspect_row(Row("b.tif", str(path), None), spec)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loader_names_it_also_from_its_processes(make_raster, num_workers):
    path = make_raster("b.tif", chip(np.float32, LOWEST))
    nowhere = np.full((1, 2), np.nan, np.float32), np.full(2, np.nan, np.float32)
    reader = ChipReader([Row("b.tif", str(path), None)], ChipFormat(), None, [(4, 5)], [nowhere])
    loader = DataLoader(WholeChipDataset(reader), batch_size=None, num_workers=num_workers, generator=torch.Generator())
    with pytest.raises(DataError) as caught:
        next(iter(loader))
    assert str(caught.value).startswith(f"{path}: band 2 of date 1 has the value")


@pytest.mark.parametrize(("stored", "is_clipped"), [(0.5, True), (1e19, True), (-1e19, False), (-0.5, False)])
def test_large_values_may_be_clipped_instead(stored, is_clipped):
    """Stored values of one band are multiplied by 1e19."""
    values = np.array(stored).reshape(1, 1, 1, 1)
    with pytest.raises(DataError) as error:
        check_magnitude((values * 1e19).astype(np.float32), values, np.ones((1, 1, 1), bool), "a.tif")
    advice = f"tag it as no-data in the file, or set dataloader.no_data_value={stored!r}"
    assert str(error.value).endswith(advice + ", else clip it with dataloader.max_pixel_value" * is_clipped)
    assert cut_advice(str(error.value)).endswith("if it means no-data, tag it as no-data in the file")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_value_is_allowed(sign):
    image = np.full((1, 1, 1, 1), sign * MAX_MAGNITUDE, np.float32)
    check_magnitude(image, image, np.ones((1, 1, 1), bool), "a.tif")
