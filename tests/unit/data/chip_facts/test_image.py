"""Facts of the image of a chip, on values one can count."""

import numpy as np
import pytest
from affine import Affine

from instageo.data.chip_facts.image import band_names, image_facts
from instageo.data.cleaning.clean_settings import CleanSettings
from instageo.raster.grid import Grid, Raster

SIZE = 20

SETTINGS = CleanSettings("chips.csv")


def facts(values, *, valid=None, bands=("BLUE",), unit="reflectance", covered=None):
    """Return the facts of values (L, H, W)."""
    values = np.asarray(values)
    grid = Grid(None, Affine.identity(), *values.shape[1:])
    valid = np.ones(values.shape, bool) if valid is None else valid
    raster = Raster(values, valid, grid, ("",) * len(values))
    return image_facts(raster, bands, SETTINGS, unit, covered)[0]


def ramp(dtype=np.int16):
    """Return one band (1, 20, 20) with the values 100, 101, …, 499."""
    return np.arange(100, 100 + SIZE * SIZE, dtype=dtype).reshape(1, SIZE, SIZE)


def test_means_and_ends_are_those_of_the_valid_pixels():
    valid = np.ones((1, SIZE, SIZE), bool)
    valid[0, 0] = False  # 100 to 119
    found = facts(ramp(), valid=valid)
    assert (found.lows[0, 0], found.highs[0, 0], found.means[0, 0]) == (120, 499, pytest.approx(309.5))
    assert found.invalid == pytest.approx((0.05,))
    assert found.never == pytest.approx(0.05)


def test_a_date_is_invalid_where_one_band_is():
    values = np.concatenate([ramp(), ramp(), ramp(), ramp()])
    valid = np.ones(values.shape, bool)
    valid[0, :5], valid[3, :10] = False, False
    found = facts(values, valid=valid, bands=("BLUE", "RED"))
    assert found.invalid == pytest.approx((0.25, 0.5))
    assert found.never == pytest.approx(0.25)


def test_a_chip_without_a_valid_pixel_has_no_fingerprints():
    found = facts(ramp(), valid=np.zeros((1, SIZE, SIZE), bool))
    assert (found.pixel_hash, found.image_hash, found.never) == (None, None, 1)
    assert np.isnan(found.means).all()
    assert np.isnan(found.samples).all()


@pytest.mark.parametrize(("share", "value"), [(0.05, 20_000), (0.05, -3000), (0.0, 16_000), (0.0, -2000)])
def test_values_outside_the_range_are_counted(share, value):
    values = ramp()
    values[0, 0] = value
    assert facts(values).outside == pytest.approx(share)


def test_the_range_counts_for_reflectance_alone():
    values = ramp()
    values[0, 0] = 20_000
    assert facts(values, unit="radar").outside == 0


def test_dark_pixels_of_blue_show_that_no_offset_is_left():
    assert facts(ramp() + 1000).dark_blue == 0  # 1100 to 1499
    assert facts(ramp()).dark_blue == 1
    assert facts(ramp() + 701).dark_blue == pytest.approx(0.25)  # 801 to 900 of 801 to 1200
    assert facts(ramp(), bands=("RED",)).dark_blue is None


def test_pixels_saturate_at_the_maximum_of_their_type_or_in_three_bands():
    values = np.repeat(ramp(), 4, axis=0)
    values[0, 0, :10] = np.iinfo(np.int16).max
    assert facts(values, bands=tuple("ABCD")).saturated == pytest.approx(10 / 400)
    values = np.repeat(ramp(), 4, axis=0)
    values[:2, 0] = 16_000  # in two bands alone
    assert facts(values, bands=tuple("ABCD")).saturated == 0
    values[2, 0, :4] = 16_000
    assert facts(values, bands=tuple("ABCD")).saturated == pytest.approx(4 / 400)


def test_lines_of_zeros_at_the_border_of_valid_pixels_are_stripes():
    values = ramp()
    assert facts(values).stripes == ""
    values[0, :, -1] = 0
    assert facts(values).stripes == "lines of zeros at the border"
    values, valid = ramp(), np.ones((1, SIZE, SIZE), bool)
    valid[0, :4], values[0, 4] = False, 0
    assert facts(values, valid=valid).stripes == "lines of zeros at the border"
    valid[0, 4] = False
    assert facts(values, valid=valid).stripes == ""


@pytest.mark.parametrize("start", [0, 1])
def test_repeated_lines_are_stripes_but_pixels_of_a_coarser_band_are_not(start):
    values = np.random.default_rng(1).integers(100, 5000, (1, 41, 41)).astype(np.int16)
    repeated = values.copy()
    repeated[0, start + 1 : -1 : 2] = repeated[0, start:-2:2]
    assert "rows are equal" in facts(repeated).stripes
    assert "columns are equal" in facts(repeated.swapaxes(1, 2)).stripes
    coarse = np.repeat(np.repeat(values, 2, axis=1), 2, axis=2)
    assert facts(coarse).stripes == ""


def test_covered_pixels_are_counted_by_date():
    covered = np.zeros((1, SIZE, SIZE), bool)
    covered[0, :5] = True
    assert facts(ramp(), covered=covered).covered == (0.25,)


def test_huge_values_do_no_harm():
    values = ramp(np.float64)
    values[0, 3] = 1e300
    found = facts(values)
    assert found.highs[0, 0] == 1e300
    assert np.isfinite(found.means).all()


@pytest.mark.parametrize(("descriptions", "given", "expected"), [
    (["B02", "blue", "swir1"], (), ("B02", "BLUE", "SWIR_1")),
    (["", "", ""], (), ("", "", "")),
    (["x", "y", "z"], ("BLUE", "RED", "NIR"), ("BLUE", "RED", "NIR")),
])  # fmt: skip
def test_bands_are_called_as_given_or_as_the_file_says(descriptions, given, expected):
    names = band_names(descriptions, 3, given)
    assert names[1:] == expected[1:]


def test_a_second_date_that_lies_elsewhere_is_measured():
    field = np.random.default_rng(2).normal(size=(80, 80))
    spectrum = np.fft.fft2(field) * np.exp(-40 * (np.fft.fftfreq(80)[:, None] ** 2 + np.fft.fftfreq(80) ** 2))
    smooth = 3000 + 200 * np.fft.ifft2(spectrum).real
    values = np.stack([smooth[:64, :64], smooth[3:67, 2:66]]).astype(np.float32)
    [shift] = facts(values).shifts
    assert (shift.rows, shift.columns) == pytest.approx((-3, -2), abs=0.15)
    assert shift.of == "date 2 against date 1"
