"""Names of layers as files give them: what they mean, and where they say nothing."""

import pytest

from instageo.band_vocabulary import BANDS, suggest_band, understand_labels

MSI_AND_OLI = {"NIR_NARROW", "RED_EDGE_1"}


def meaning(*names, sensor=None):
    return [set(label.bands) for label in understand_labels(names, sensor)]


@pytest.mark.parametrize(
    ("name", "band", "date"),
    [
        ("BLUE", "BLUE", ""),
        ("red", "RED", ""),
        ("Nir Narrow", "NIR_NARROW", ""),
        ("swir1", "SWIR_1", ""),
        ("SWIR_1", "SWIR_1", ""),  # the 1 is no date
        ("SWIR_1_2", "SWIR_1", "2"),
        ("coastal_aerosol", "COASTAL_AEROSOL", ""),
        ("swir22", "SWIR_2", ""),
        ("nir08", "NIR_NARROW", ""),
        ("rededge2", "RED_EDGE_2", ""),
        ("B02", "BLUE", ""),
        ("b2", "BLUE", ""),
        ("B8A", "NIR_NARROW", ""),
        ("t0_blue", "BLUE", "t0"),
        ("m00_B2", "BLUE", "m00"),
        ("20180924_B2", "BLUE", "20180924"),
        ("2023-01-01_B02", "BLUE", "2023-01-01"),
        ("B02_2023-01-01", "BLUE", "2023-01-01"),
        ("B02_1", "BLUE", "1"),
        ("20200101T101031_20200101T101026_T32TQM_B2", "BLUE", "20200101t101031_20200101t101026_t32tqm"),
    ],
)
def test_a_name_with_or_without_a_date(name, band, date):
    [label] = understand_labels((name,))
    assert (set(label.bands), label.date) == ({band}, date)


@pytest.mark.parametrize("name", ["", "hls_fmask", "merit_dem_m", "infra_red", "NDVI", "esa_worldcover", "B13"])
def test_other_names_say_nothing(name):
    assert meaning(name) == [set()]


def test_codes_mean_what_they_mean_in_the_sensors_that_have_all_of_them():
    assert meaning("B05") == [MSI_AND_OLI]
    assert meaning("B05", "B8A") == [{"RED_EDGE_1"}, {"NIR_NARROW"}]  # Landsat has no B8A
    assert meaning("B05", sensor="hls_l30") == [{"NIR_NARROW"}]
    assert meaning("SR_B5", "SR_B6") == [{"NIR_NARROW"}, {"SWIR_1"}]  # ETM+ has no SR_B6
    assert meaning("SR_B5", sensor="landsat7_c2") == [{"SWIR_1"}]
    assert meaning("nir") == [{"NIR_NARROW", "NIR_BROAD"}]


def test_layers_that_are_only_numbered_say_nothing():
    for names in (("B1", "B2", "B3"), ("1", "2"), ("band_1", "band_2"), ("Band 1", "Band 2"), ("B01", "B02")):
        assert meaning(*names) == [set()] * len(names)
    assert meaning("B2", "B3", "B4") == [{"BLUE"}, {"GREEN"}, {"RED"}]


def test_every_band_is_understood_by_its_own_name():
    for band in BANDS:
        assert meaning(band) == [{band}]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("REDD", "; did you mean RED?"),
        ("BLU", "; did you mean BLUE?"),
        ("NIR_NAROW", "; did you mean NIR_NARROW?"),
        ("RED", ""),
        ("red", ""),
        ("NIR", ""),
        ("B02", ""),
        ("VV", ""),
        ("BAND_1", ""),
        ("NDVI", ""),
    ],
)
def test_misspelt_names_get_a_suggestion(name, hint):
    assert suggest_band(name) == hint
