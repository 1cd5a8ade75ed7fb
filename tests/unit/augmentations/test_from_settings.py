"""Augmentations from settings: haze gets the wavelengths of the bands."""

import pytest

from instageo.errors import ConfigError
from instageo.model.augmentations.from_settings import augmentations_from_settings
from instageo.model.settings.keywords import settings_from_keywords

HAZE = "dataloader.augmentations.haze"


def specs(**data):
    values = {f"{HAZE}.use": True, f"{HAZE}.max_offset": 700.0, "dataloader.augmentations.hflip.use": False}
    return augmentations_from_settings(settings_from_keywords(values | {f"dataloader.{k}": v for k, v in data.items()}))


def test_haze_knows_the_wavelengths_of_the_bands_by_name_and_by_code():
    expected = {"max_offset": 700.0, "wavelengths": [0.665, 1.61]}
    assert specs(band_names=["RED", "SWIR_1"])[-1].parameters == expected
    assert specs(band_names=["B04", "B11"], sensor="sentinel2_l2a")[-1].parameters == expected


def test_a_band_without_a_wavelength_is_named():
    with pytest.raises(ConfigError, match=r"needs the wavelength of each band, but VV, DEM has none; name the bands"):
        specs(band_names=["BLUE", "VV", "DEM"])


@pytest.mark.parametrize(
    ("name", "sensor", "sentence"),
    [
        ("brightness", "sentinel1_rtc", "is for reflectance, but these chips hold radar, which speckle suits"),
        ("haze", "sentinel1_grd", "is for reflectance, but these chips hold radar, which speckle suits"),
        ("speckle", "hls_s30", "is for radar, but these chips hold no radar"),
    ],
)
def test_augmentations_of_the_other_kind_of_data_are_refused(name, sensor, sentence):
    values = {f"dataloader.augmentations.{name}.use": True, "dataloader.sensor": sensor}
    with pytest.raises(ConfigError, match=f"augmentations.{name}.use=true {sentence}.*; remove {name}"):
        augmentations_from_settings(settings_from_keywords(values))


def test_speckle_is_drawn_for_radar():
    values = {"dataloader.augmentations.speckle.use": True, "dataloader.sensor": "sentinel1_rtc"}
    *_, spec = augmentations_from_settings(settings_from_keywords(values))
    assert (spec.name, spec.parameters) == ("speckle", {"looks": 10})
