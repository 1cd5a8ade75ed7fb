"""Radar backscatter becomes decibels; power of 0 or less and fill values are no observations."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from instageo.errors import DataError
from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.chips.image import exclude_no_backscatter, read_chip
from instageo.model.chips.radar import refuse_decibels
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.settings.keywords import settings_from_keywords
from instageo.sensors import RADAR_FILL_DB
from instageo.table import Row
from tests.tiffs import write_tiff

NAN, INF = float("nan"), float("inf")


def read(make_raster, layers, chip_format, **tags):
    return read_chip(make_raster("chip.tif", np.array(layers, np.float32), **tags), chip_format)


@pytest.mark.parametrize("multiplier", [1.0, 0.5])
def test_power_becomes_decibels(make_raster, multiplier):
    power = np.array([[[1, 0.1, 0.02, 0.001]], [[2, 0.5, 1e-9, 1e9]]]) / multiplier
    chip = read(make_raster, power, ChipFormat(radar_unit="linear", multiplier=multiplier))
    # 10 log10(0.02) = -16.990, 10 log10(2) = 3.010; 1e-9 and 1e9 are clipped to -50..10
    np.testing.assert_allclose(chip.image[:, 0, 0], [[0, -10, -16.990, -30], [3.010, -3.010, -50, 10]], atol=5e-4)
    assert chip.valid.all()
    assert chip.image.dtype == np.float32


def test_decibels_are_only_clipped(make_raster):
    chip = read(make_raster, [[[-10, -70, 25, 0.5]]], ChipFormat(radar_unit="db"))
    assert chip.image[0, 0, 0].tolist() == [-10, -50, 10, 0.5]


@pytest.mark.parametrize("multiplier", [0.01, 1.0])
def test_decibels_can_be_whole_numbers(make_raster, multiplier):
    stored = (np.array([[[-1000, -25, -1600]]]) * 0.01 / multiplier).round().astype(np.int16)
    chip = read_chip(make_raster("chip.tif", stored), ChipFormat(radar_unit="db", multiplier=multiplier))
    assert chip.image[0, 0, 0].tolist() == pytest.approx([-10, 0 if multiplier == 1 else -0.25, -16])


@pytest.mark.parametrize("unit", ["linear", "db"])
@pytest.mark.parametrize("missing", [NAN, INF, -INF, -9999, -32768])
def test_what_is_no_observation_in_one_band_hides_the_pixel(make_raster, missing, unit):
    usual = {"linear": 0.1, "db": -10}[unit]
    layers = [[[usual, missing, usual]], [[usual, usual, usual]]]
    chip = read(make_raster, layers, ChipFormat(radar_unit=unit))
    assert chip.valid[0, 0].tolist() == [True, False, True]
    np.testing.assert_allclose(chip.image[:, 0, 0], [[-10, 0, -10]] * 2, atol=1e-5)


@pytest.mark.parametrize("missing", [0, -0.0, -0.001])
def test_power_of_0_or_less_is_no_observation(make_raster, missing):
    chip = read(make_raster, [[[0.1, missing, 0.1]]], ChipFormat(radar_unit="linear"))
    assert chip.valid[0, 0].tolist() == [True, False, True]
    assert np.isfinite(chip.image).all()


def test_the_offset_counts_before_power_is_an_observation():
    values = np.array([[[0.5, 2.0]], [[3.0, 3.0]]], np.float32)
    valid = np.ones((1, 1, 2), bool)
    by_settings = ChipFormat(radar_unit="linear", offset=-1.0)
    assert exclude_no_backscatter(values, valid, by_settings, "a.tif")[0, 0].tolist() == [False, True]
    by_tags = ((1.0, -2.5), (1.0, 0.0))  # of the first layer, whose second value becomes -0.5
    observed = exclude_no_backscatter(values, valid, ChipFormat(radar_unit="linear"), "a.tif", by_tags)
    assert observed[0, 0].tolist() == [False, False]


def test_tags_that_are_applied_count_before_power_is_an_observation(make_raster):
    path = make_raster("chip.tif", np.array([[[0.5, 4.0]]], np.float32))
    with rasterio.open(path, "r+") as file:
        file.offsets = (-1.0,)
    chip = read_chip(path, ChipFormat(radar_unit="linear", rules=LayerRules(scale_tags="apply")))
    assert chip.valid[0, 0].tolist() == [False, True]
    assert chip.image[0, 0, 0, 1] == pytest.approx(10 * np.log10(3), abs=1e-5)


def test_0_decibels_are_an_observation(make_raster):
    assert read(make_raster, [[[0, -5]]], ChipFormat(radar_unit="db")).valid.all()


def test_dates_are_valid_by_themselves(make_raster):
    layers = np.full((4, 1, 2), 0.1)
    layers[3, 0, 0] = 0  # VH of date 2
    chip = read(make_raster, layers, ChipFormat(temporal_dim=2, radar_unit="linear"))
    assert chip.valid[:, 0].tolist() == [[True, True], [False, True]]


@pytest.mark.parametrize("fill", [1e20, 3.4e38])
def test_fill_values_that_no_tag_declares_are_refused_before_they_are_clipped(make_raster, fill):
    with pytest.raises(DataError, match="cannot be a measurement"):
        read(make_raster, [[[0.1, fill]]], ChipFormat(radar_unit="linear"))


def test_decibels_read_as_power_are_refused(make_raster):
    with pytest.raises(DataError, match=r"median -11\).*looks like decibels.*set dataloader.radar_unit=db"):
        read(make_raster, [[[-14, -20, -8, 0.5, -9999]]], ChipFormat(radar_unit="linear"))


@pytest.mark.parametrize("values", [[-2, -3, 0.1, 0.2], [-9000, -9000, -9000, -9000, 0.1], [-2, 0.1, 0.2, 0.3, 0.4]])
def test_half_of_the_values_below_0_and_fill_values_are_not_taken_for_decibels(values):
    refuse_decibels(np.array([[values]], np.float32), np.ones((1, len(values)), bool), "a.tif")


def test_more_than_half_of_the_values_below_0_are_taken_for_decibels():
    values = np.array([[[-2, -3, -4, 0.1, 0.2, RADAR_FILL_DB, RADAR_FILL_DB]]], np.float32)
    with pytest.raises(DataError, match=r"a\.tif: more than half of its values are below -1 \(median -2\)"):
        refuse_decibels(values, np.ones((1, 7), bool), "a.tif")


def test_power_with_subtracted_noise_is_not_taken_for_decibels(make_raster):
    chip = read(make_raster, [[[-0.001, -0.003, -0.002, 0.02]]], ChipFormat(radar_unit="linear"))
    assert chip.valid.sum() == 1


@pytest.mark.parametrize(
    ("values", "unit", "sentence"),
    [
        ([0.02, 0.3, 0.1], "db", "looks like linear power"),
        ([120, 300, 240], "linear", "digital numbers must be calibrated"),
        ([0.02, 0.3, 25], "linear", None),
        ([-18, -12, 0.5], "db", None),
    ],
)
def test_values_that_look_like_another_unit_are_told_everywhere(tmp_path, values, unit, sentence):
    chip_format = ChipFormat(radar_unit=unit)
    path = write_tiff(tmp_path / "chip.tif", np.array([[values]], np.float32))
    checked = inspect_row(Row("chip.tif", path, None), InspectionSpec(chip_format, None, with_moments=True))
    for notes in (read_chip(Path(path), chip_format).choice.notes, checked.notes):
        assert ([sentence in note for note in notes] == [True]) if sentence else (notes == ())


def test_moments_are_of_decibels(tmp_path):
    path = write_tiff(tmp_path / "chip.tif", np.array([[[0.1, 0.001, 0]], [[0.01, 1, 1]]], np.float32))
    spec = InspectionSpec(ChipFormat(radar_unit="linear"), None, with_moments=True)
    moments = inspect_row(Row("chip.tif", path, None), spec).band_moments
    assert moments.mean.tolist() == pytest.approx([-20, -10])  # of -10 and -30, of -20 and 0
    assert moments.std.tolist() == pytest.approx([10, 10])
    assert moments.count == 2


@pytest.mark.parametrize(("sensor", "unit"), [("sentinel1_rtc", "linear"), ("sentinel1_grd", "db")])
def test_the_sensor_says_all_that_reading_needs(sensor, unit):
    made = chip_format_from_settings(
        settings_from_keywords({"dataloader.sensor": sensor, "dataloader.temporal_dim": 2})
    )
    assert (made.bands, made.rules.band_names, made.rules.num_layers) == ((0, 1, 2, 3), ("VV", "VH"), 4)
    assert (made.radar_unit, made.multiplier, made.no_data_value, made.tag_factor) == (unit, 1, -9999, 1)


def test_the_unit_of_the_files_can_differ_from_the_sensors():
    values = {"dataloader.sensor": "sentinel1_rtc", "dataloader.radar_unit": "db"}
    assert chip_format_from_settings(settings_from_keywords(values)).radar_unit == "db"


def test_a_cache_separates_units():
    keys = {ChipFormat(radar_unit=unit).stored_key for unit in (None, "linear", "db")}
    assert len(keys) == 3
