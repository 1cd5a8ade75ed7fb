"""Layers of each product, their order and unit: compared by hand with the providers' own documents."""

import numpy as np
import pytest

from instageo.errors import ConfigError
from instageo.model.chips.from_settings import chip_format_from_settings
from instageo.model.chips.image import read_chip
from instageo.model.settings import DataSettings, Settings
from instageo.model.settings.resolve import resolve
from instageo.sensors import PRITHVI_BANDS, PRITHVI_STATISTICS, SENSORS, Sensor, find_sensor

# Where the six bands lie if a file holds all layers of the product: counted in the providers' lists of bands.
POSITIONS = {
    "hls_s30": [1, 2, 3, 8, 11, 12],  # B02 B03 B04 B8A B11 B12 of B01 … B08 B8A B09 B10 B11 B12
    "hls_l30": [1, 2, 3, 4, 5, 6],  # B02 … B07
    "sentinel2_l1c": [1, 2, 3, 8, 11, 12],
    "sentinel2_l2a": [1, 2, 3, 8, 10, 11],  # without B10
    "landsat5_c2": [0, 1, 2, 3, 4, 5],  # SR_B1 … SR_B5, SR_B7
    "landsat7_c2": [0, 1, 2, 3, 4, 5],
    "landsat8_c2": [1, 2, 3, 4, 5, 6],  # SR_B2 … SR_B7 of SR_B1 …
    "landsat9_c2": [1, 2, 3, 4, 5, 6],
}
CODES = {
    "hls_s30": "B02 B03 B04 B8A B11 B12",
    "hls_l30": "B02 B03 B04 B05 B06 B07",
    "sentinel2_l1c": "B02 B03 B04 B8A B11 B12",
    "sentinel2_l2a": "B02 B03 B04 B8A B11 B12",
    "landsat5_c2": "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7",
    "landsat7_c2": "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7",
    "landsat8_c2": "SR_B2 SR_B3 SR_B4 SR_B5 SR_B6 SR_B7",
    "landsat9_c2": "SR_B2 SR_B3 SR_B4 SR_B5 SR_B6 SR_B7",
}
LAYERS = {"hls_s30": 13, "hls_l30": 10, "sentinel2_l1c": 13, "sentinel2_l2a": 12, "landsat5_c2": 6, "landsat7_c2": 6,
          "landsat8_c2": 7, "landsat9_c2": 7}  # fmt: skip


RADAR = {"sentinel1_rtc": "linear", "sentinel1_grd": "db"}


def test_every_sensor_is_tested_here():
    assert set(SENSORS) - set(RADAR) == set(POSITIONS) == set(CODES) == set(LAYERS)


@pytest.mark.parametrize("name", RADAR)
def test_radar_has_two_polarisations_and_no_processing_level(name):
    sensor = find_sensor(name)
    assert (sensor.bands, sensor.level, sensor.radar_unit) == (("VV", "VH"), None, RADAR[name])
    assert sensor.layer_indices(["VH"], 3) == [1, 3, 5]


@pytest.mark.parametrize("name", POSITIONS)
def test_the_six_bands_of_the_weights_are_found_in_every_product(name):  # pitfalls 14, 17
    sensor = find_sensor(name)
    assert len(sensor.bands) == LAYERS[name]
    assert sensor.layer_indices(PRITHVI_BANDS, 1) == POSITIONS[name]


@pytest.mark.parametrize("name", POSITIONS)
def test_bands_can_be_named_by_their_code(name):
    sensor = find_sensor(name)
    assert sensor.layer_indices(CODES[name].split(), 1) == POSITIONS[name]
    assert all(sensor.band_index(code) == index for index, code in enumerate(sensor.band_codes))
    assert len(set(sensor.band_codes)) == len(set(sensor.bands)) == len(sensor.band_codes)


def test_bands_of_later_dates_follow_the_whole_product():  # pitfall 17
    assert find_sensor("sentinel2_l2a").layer_indices(["RED", "B02"], 3) == [3, 1, 15, 13, 27, 25]
    assert find_sensor("landsat9_c2").layer_indices(["SWIR_2"], 2) == [6, 13]


def test_the_near_infrared_of_sentinel_2_has_two_widths():
    sensor = find_sensor("sentinel2_l1c")
    assert (sensor.band_index("NIR_BROAD"), sensor.band_index("NIR_NARROW")) == (7, 8)
    assert (sensor.band_index("B08"), sensor.band_index("B8A")) == (7, 8)


@pytest.mark.parametrize(
    ("name", "stored", "reflectance"),
    [
        ("landsat5_c2", 20000, 0.35),  # USGS: 0.0000275 x 20000 - 0.2
        ("landsat7_c2", 43636, 0.99999),
        ("landsat8_c2", 20000, 0.35),
        ("landsat9_c2", 7273, 0.0000075),
        ("sentinel2_l1c", 3500, 0.35),
        ("sentinel2_l2a", 3500, 0.35),
        ("hls_s30", 3500, 0.35),
        ("hls_l30", 3500, 0.35),
    ],
)
def test_stored_values_become_reflectance_by_the_providers_formula(make_raster, name, stored, reflectance):
    values = np.full((LAYERS[name], 1, 2), stored, np.int32)
    missing = {"hls_s30": -9999, "hls_l30": -9999}.get(name, 0)
    values[:, :, 1] = missing
    settings = resolve(Settings(dataloader=DataSettings(sensor=name)))
    chip = read_chip(make_raster("chip.tif", values), chip_format_from_settings(settings))
    assert chip.image.shape == (6, 1, 1, 2)
    np.testing.assert_allclose(chip.image[:, 0, 0, 0], 10000 * reflectance, atol=0.01)
    assert chip.valid[0, 0].tolist() == [True, False]  # pitfall 9
    assert not chip.image[:, 0, 0, 1].any()


def test_a_band_that_the_sensor_lacks_lists_those_it_has():
    with pytest.raises(ConfigError, match=r"no band B10; it has COASTAL_AEROSOL \(B01\), BLUE \(B02\)") as refusal:
        find_sensor("sentinel2_l2a").band_index("B10")
    assert "\n" not in str(refusal.value)
    assert "CIRRUS" not in str(refusal.value)


def test_an_unknown_sensor_lists_the_available_ones():
    with pytest.raises(ConfigError, match=r"^dataloader\.sensor=modis is unknown; choose one of hls_s30, hls_l30, "):
        DataSettings(sensor="modis")


def test_a_sensor_needs_as_many_codes_as_bands():
    with pytest.raises(ValueError, match="1 codes for 2 bands"):
        Sensor(("B1",), ("BLUE", "RED"))


@pytest.mark.parametrize("generation", PRITHVI_STATISTICS)
def test_statistics_have_the_unit_of_the_sensors(generation):
    mean, std = PRITHVI_STATISTICS[generation]
    assert len(mean) == len(std) == len(PRITHVI_BANDS)
    assert all(500 < value < 3000 for value in (*mean, *std))  # reflectance x 10000 of land
