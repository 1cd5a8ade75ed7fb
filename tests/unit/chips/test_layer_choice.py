"""Which layers of a file are read as what: by number, by position and by name."""

import re

import pytest
from affine import Affine

from instageo.errors import LayerError
from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.layer_choice import choose_layers
from instageo.raster.grid import Grid, RasterInfo
from instageo.sensors import PRITHVI_BANDS, SENSORS

GRID = Grid(None, Affine.identity(), 2, 3)
HLS = ("B02", "B03", "B04", "B8A", "B11", "B12")
MSI = SENSORS["sentinel2_l1c"].band_codes


def info(count, names=(), alpha=None):
    """Metadata of a file with so many layers."""
    names = tuple(names) or ("",) * count
    tags = {"scales": (1.0,) * count, "offsets": (0.0,) * count}
    return RasterInfo(count, GRID, "int16", None, descriptions=names, alpha_layer=alpha, **tags)


def chips(dates=1, bands=None, **rules):
    return ChipFormat(dates, bands, rules=LayerRules(**{"band_names": PRITHVI_BANDS, **rules}))


def layers(file, chip_format):
    return choose_layers(file, chip_format, "f.tif").layers


@pytest.mark.parametrize(
    ("count", "chip_format", "words"),
    [
        (13, chips(num_layers=12, sensor="sentinel2_l2a", because="1 date x 12 bands"), "has 13 layers, expected 12"),
        (12, chips(num_layers=7, sensor="landsat8_c2", because="1 date x 7 bands"), "has 12 layers, expected 7"),
        (13, chips(num_layers=6, because="as in training"), "has 13 layers, expected 6 (as in training)"),
        (13, chips(bands=(1, 2, 3, 8, 11, 12), num_layers=12), "has 13 layers, expected 12"),
        (1, chips(num_layers=6), "has 1 layer, expected 6"),
        (6, chips(bands=(0, 6)), "has 6 layers, but dataloader.bands requests layer 6 (counted from 0)"),
    ],
)
def test_a_file_with_another_number_of_layers_is_refused(count, chip_format, words):  # pitfalls 14, 75
    with pytest.raises(LayerError, match=re.escape(f"f.tif: {words}")):
        layers(info(count), chip_format)


def test_the_advice_names_the_products_with_that_many_layers():  # pitfall 75
    with pytest.raises(LayerError) as caught:
        layers(info(13), chips(num_layers=12))
    assert "dataloader.sensor (hls_s30 or sentinel2_l1c: 13 layers)" in caught.value.advice
    assert caught.value.problem == "f.tif: has 13 layers, expected 12 ()"


def test_the_advice_is_to_read_by_name_where_the_file_names_all_bands():  # pitfalls 75, 76
    """Six bands between others, as many layers as a product has; without SWIR_2, the advice is another one."""
    names = ["coastal_aerosol", "blue", "green", "red", "nir_narrow", "swir1", "swir2", *["dem"] * 5]
    with pytest.raises(LayerError, match=re.escape("f.tif: has 12 layers, expected 6 ()")) as caught:
        layers(info(12, names), chips(num_layers=6))
    assert caught.value.advice.startswith("dataloader.bands_by_name=true reads")
    assert layers(info(12, names), chips(num_layers=6, by_name=True)) == (1, 2, 3, 4, 5, 6)
    with pytest.raises(LayerError) as caught:
        layers(info(12, [*names[:6], "dem", *names[7:]]), chips(num_layers=6))
    assert "bands_by_name" not in caught.value.advice


@pytest.mark.parametrize(
    ("rules", "is_asked"), [({}, True), ({"sensor": "hls_s30"}, False), ({"bands": (0, 1)}, False)]
)
def test_names_are_asked_for_unless_the_bands_are_known(rules, is_asked):
    with pytest.raises(LayerError) as caught:
        layers(info(13), chips(num_layers=12, **rules))
    assert caught.value.advice.startswith("name the bands with dataloader.band_names, list") is is_asked
    assert caught.value.advice.startswith("list the layers to read in dataloader.bands") is not is_asked


def test_listed_layers_may_be_any_of_a_file():  # pitfall 75
    chosen = chips(bands=(1, 2, 3, 8, 11, 12), bands_given=True)
    assert layers(info(13), chosen) == (1, 2, 3, 8, 11, 12)


def test_an_alpha_layer_beyond_the_expected_number_is_a_mask():
    assert layers(info(7, alpha=6), chips(num_layers=6)) == (0, 1, 2, 3, 4, 5)
    assert layers(info(4, alpha=3), ChipFormat(rules=LayerRules(num_layers=4))) == (0, 1, 2, 3)  # near infrared
    assert layers(info(4, alpha=3), ChipFormat()) == (0, 1, 2)
    with pytest.raises(LayerError, match="has 8 layers, expected 6"):
        layers(info(8, alpha=7), chips(num_layers=6))


@pytest.mark.parametrize(
    "names",
    [
        PRITHVI_BANDS,
        HLS,
        ("blue", "green", "red", "nir08", "swir16", "swir22"),
        ("blue", "green", "red", "nir", "swir1", "swir2"),
        ("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"),
        ("B02", "B03", "B04", "B05", "B06", "B07"),  # Landsat's; also codes of Sentinel-2, which do not decide
        ("B1", "B2", "B3", "B4", "B5", "B6"),
        ("first", "second", "", "", "", "x"),
        ("", "", "", "", "", ""),
    ],
)
def test_names_that_agree_or_say_nothing_change_nothing(names):
    choice = choose_layers(info(6, names), chips(num_layers=6), "f.tif")
    assert (choice.layers, choice.notes) == ((0, 1, 2, 3, 4, 5), ())


REVERSED = [("RED", "GREEN", "BLUE", *PRITHVI_BANDS[3:]), ("B04", "B03", "B02", "B8A", "B11", "B12")]


@pytest.mark.parametrize("names", REVERSED)
def test_names_in_another_order_are_refused(names):  # pitfall 76
    with pytest.raises(LayerError) as caught:
        layers(info(6, names), chips(num_layers=6))
    text = str(caught.value)
    assert f"calls its layers {', '.join(names)}, but they would be read as {', '.join(PRITHVI_BANDS)}" in text
    for choice in ("dataloader.bands_by_name=true", "dataloader.bands ", "dataloader.bands_by_name=false"):
        assert choice in text


@pytest.mark.parametrize("names", REVERSED)
def test_names_in_another_order_are_read_by_name(names):  # pitfall 76
    assert layers(info(6, names), chips(by_name=True)) == (2, 1, 0, 3, 4, 5)


@pytest.mark.parametrize("rules", [{"by_name": False}, {"bands_given": True}])
def test_a_decision_to_read_by_position_is_noted(rules):  # pitfall 76
    choice = choose_layers(info(6, REVERSED[1]), chips(bands=tuple(range(6)), **rules), "f.tif")
    assert choice.layers == (0, 1, 2, 3, 4, 5)
    [note] = choice.notes
    assert "calls its layers B04, B03, B02, B8A, B11, B12, but they are read as BLUE, GREEN, RED" in note


def test_a_code_that_contradicts_in_the_given_sensor_only():
    names, oli = ("B02", "B03", "B04", "B05", "B06", "B07"), {"num_layers": 6}
    assert layers(info(6, names), chips(**oli)) == tuple(range(6))
    with pytest.raises(LayerError, match="calls its layers B02"):
        layers(info(6, names), chips(sensor="hls_s30", **oli))


def test_layers_are_found_by_name_among_others():
    assert layers(info(13, MSI), chips(by_name=True)) == (1, 2, 3, 8, 11, 12)
    named = ("coastal_aerosol", "blue", "green", "red", "nir_narrow", "swir1", "swir2", "hls_fmask", "merit_dem_m")
    assert layers(info(9, named), chips(by_name=True)) == (1, 2, 3, 4, 5, 6)


def test_each_date_is_read_by_name():
    two = {"band_names": ("RED", "BLUE"), "by_name": True}
    blocks = ("B02", "B04", "B04", "B02")
    assert layers(info(4, blocks), chips(2, **two)) == (1, 0, 2, 3)
    by_band = ("20200109_B02", "20200101_B02", "20200109_B04", "20200101_B04")
    assert layers(info(4, by_band), chips(2, **two)) == (3, 1, 2, 0)
    one_named = ("20200109_B04", "20200109_B02", "B04", "B02")  # one date has a name, so the order of files decides
    assert layers(info(4, one_named), chips(2, **two)) == (0, 1, 2, 3)
    numbered = ("t10_red", "t10_blue", "t9_red", "t9_blue")
    assert layers(info(4, numbered), chips(2, **two)) == (2, 3, 0, 1)


def test_a_layer_that_is_near_infrared_of_either_width_is_each_of_them():
    names = ("blue", "green", "red", "nir", "swir1", "swir2")
    assert layers(info(6, names), chips(by_name=True)) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("B02", "B03", "B04", "B05", "B11", "B12"), "no layer is called NIR_NARROW; it calls its layers B02, B03"),
        (("B02", "B03", "B04", "B05", "B06", "B07"), "B05 may mean NIR_NARROW or RED_EDGE_1"),
        (("B02", "blue", "B04", "B8A", "B11", "B12"), "several layers are called BLUE"),
        (("",) * 6, "no layer is called BLUE"),
    ],
)
def test_names_that_do_not_identify_a_layer_are_refused(names, words):  # pitfall 76
    with pytest.raises(LayerError, match=words) as caught:
        layers(info(6, names), chips(by_name=True))
    assert caught.value.advice == (
        "name the product with dataloader.sensor"
        if "may mean" in words
        else "list the layers in dataloader.bands instead of using dataloader.bands_by_name=true"
    )


def test_dates_that_names_do_not_tell_apart_are_refused():
    with pytest.raises(LayerError, match="7 layers cannot be divided evenly into 2 dates"):
        layers(info(7, (*HLS, "x")), chips(2, by_name=True))
