"""Scale and offset tags: the same ground in two encodings is read as the same values, or a sentence says why not."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from numpy.testing import assert_array_equal

from instageo.errors import LayerError
from instageo.model.chips.chip_format import ChipFormat, LayerRules
from instageo.model.chips.image import read_chip, read_layers
from instageo.model.dataset.cache import MemoryCache
from instageo.model.dataset.chip_reader import list_cache_entries
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.table import Row
from tests.readers import check_table, reader_of

GROUND = np.array([[[0, 1, 500], [3000, 9999, 12000]]] * 2, np.int16)
"""Reflectance x 10000 of two bands."""

SENTINEL = 0.0001, -0.1
"""Tags of Sentinel-2 since processing baseline 04.00, whose values are reflectance x 10000 + 1000."""

LANDSAT = 0.0000275, -0.2


@pytest.fixture
def tagged(make_raster):
    """Return a function that writes layers with scale and offset tags."""

    def make(name, values, *tags):
        path = make_raster(name, values)
        tags = tags * len(values) if len(tags) == 1 else tags
        with rasterio.open(path, "r+") as file:
            file.scales, file.offsets = zip(*tags, strict=True)
        return path

    return make


def chips(mode="auto", factor=None, **values):
    return ChipFormat(rules=LayerRules(scale_tags=mode, tag_factor=factor), **values)


def image(path, chip_format):
    return read_chip(path, chip_format).image[:, 0]


@pytest.mark.parametrize("mode", ["auto", "apply"])
def test_dn_plus_1000_with_an_offset_is_the_same_ground(tagged, make_raster, mode):  # pitfall 77
    plain, other = make_raster("a.tif", GROUND), tagged("b.tif", GROUND + 1000, SENTINEL)
    assert_array_equal(image(other, chips(mode)), image(plain, chips(mode)))
    assert_array_equal(image(other, chips("ignore")), GROUND + 1000)


@pytest.mark.parametrize(("tag", "factor"), [((0.0001, 0), 10_000), ((0.01, 0), 100)])
def test_one_layer_has_the_unit_of_its_scale(tagged, tag, factor):
    choice = read_chip(tagged("b.tif", GROUND[:1], tag), chips()).choice
    assert (choice.scaling, choice.notes) == (None, ())
    assert choice.tag_factor == pytest.approx(factor)
    choice = read_chip(tagged("c.tif", GROUND[:1], SENTINEL), chips()).choice
    assert (choice.scaling, choice.tag_factor) == (((1.0, -1000.0),), pytest.approx(10_000))


def test_an_untagged_layer_counts_as_reflectance_x_10000(tagged):
    """It agrees with layers whose scale is 1/10000; see below for one of 1/100."""
    for tags in ([(0.0001, 0), (1, 0)], [(1, 0), (0.0001, 0)]):
        choice = read_chip(tagged("b.tif", GROUND, *tags), chips()).choice
        assert (choice.scaling, choice.tag_factor) == (None, pytest.approx(10_000))
    choice = read_chip(tagged("b.tif", GROUND, SENTINEL, (1, 0)), chips()).choice
    assert choice.scaling == ((1.0, -1000.0), (1.0, 0.0))


def test_an_offset_that_is_applied_is_noted(tagged):  # pitfall 77
    [note] = read_chip(tagged("b.tif", GROUND, SENTINEL), chips()).choice.notes
    assert "the offset in the tags of the layers (scale 0.0001, offset -0.1) is applied" in note


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ((0.0001, 0), {}),  # HLS: tagged, and reflectance x 10000
        ((0.01, 0), {}),  # any one scale without an offset: the unit is that of the training files
        ((0.0001, 0), {"multiplier": 0.0001}),
        (LANDSAT, {"multiplier": 0.275, "offset": -2000.0, "factor": 10_000.0}),  # as dataloader.sensor has it
        ((float(np.float32(0.0000275)), float(np.float32(-0.2))), {"multiplier": 0.275, "offset": -2000.0}),
        (SENTINEL, {"offset": -1000.0}),
    ],
)
def test_tags_that_agree_with_the_settings_change_nothing(tagged, make_raster, tag, values):
    plain, other = make_raster("a.tif", GROUND), tagged("b.tif", GROUND, tag)
    choice = read_chip(other, chips(**values)).choice
    assert (choice.scaling, choice.notes) == (None, ())
    values.pop("factor", None)
    assert_array_equal(image(other, chips(**values)), image(plain, chips(**values)))


@pytest.mark.parametrize(
    ("tags", "values", "words"),
    [
        ([LANDSAT], {}, "tags scale 2.75e-05, offset -0.2, but the settings read stored values x 1 [+] 0"),
        ([(0.01, -1)], {}, "tags scale 0.01, offset -1"),
        ([SENTINEL], {"offset": -500.0}, "stored values x 1 [+] -500"),
        ([(0.0001, 0), (0.01, 0)], {}, "different tags [(]scale 0.0001, offset 0 and scale 0.01, offset 0[)]"),
        ([(1, 0), (0.01, 0)], {}, "different tags"),
        ([(0.01, 0)], {"factor": 10_000.0}, "scale 0.0001 is expected"),
        ([(0.0000275, 0)], {"factor": 10_000.0}, "scale 0.0001 is expected"),
        ([(0, 1)], {}, "cannot be applied"),
        ([(float("inf"), 0)], {}, "scale inf, offset 0, which cannot be applied"),
        ([(float("nan"), 0)], {}, "scale nan, offset 0, which cannot be applied"),
        ([(1, float("nan"))], {}, "scale 1, offset nan, which cannot be applied"),
    ],
)
def test_tags_that_contradict_are_refused_with_the_choices(tagged, tags, values, words):  # pitfall 77
    with pytest.raises(LayerError, match=words) as caught:
        read_chip(tagged("b.tif", GROUND, *tags), chips(**values))
    assert "dataloader.scale_tags=ignore" in str(caught.value)
    assert image(tagged("b.tif", GROUND, *tags), chips("ignore", **values)).shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("tag", "values", "expected"),
    [
        (LANDSAT, {}, 0.275 * GROUND - 2000),  # 10000 x (0.0000275 x - 0.2)
        ((0.01, 0), {}, 100.0 * GROUND),
        (SENTINEL, {"multiplier": 0.0001}, (GROUND - 1000) / 10_000),
        (SENTINEL, {"multiplier": 0.275, "offset": -2000.0, "factor": 10_000.0}, GROUND - 1000.0),  # not the sensor's
        ((0.5, 1), {"factor": 2.0}, GROUND + 2.0),
    ],
)
def test_tags_are_applied_on_request(tagged, tag, values, expected):
    actual = image(tagged("b.tif", GROUND, tag), chips("apply", **values))
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-3)


def test_an_offset_of_the_settings_is_added_to_applied_tags(tagged):
    """10000 x (x / 10000 - 0.1) - 500; the unit of physical values is then unknown."""
    path = tagged("b.tif", GROUND, SENTINEL)
    choice = read_chip(path, chips("apply", offset=-500.0)).choice
    assert choice.scaling == ((1.0, -1500.0),) * 2
    assert choice.tag_factor is None
    assert_array_equal(image(path, chips("apply", offset=-500.0)), GROUND - 1500)
    choice = read_chip(path, chips("apply")).choice
    assert (choice.scaling, choice.tag_factor) == (((1.0, -1000.0),) * 2, 10_000)
    [note] = choice.notes
    assert "the tags of the layers (scale 0.0001, offset -0.1) are applied" in note


def test_untagged_layers_are_left_as_they_are(tagged):
    actual = image(tagged("b.tif", GROUND, SENTINEL, (1, 0)), chips("apply"))
    assert_array_equal(actual, np.stack([GROUND[0] - 1000, GROUND[1]]))


def test_invalid_pixels_stay_zero(tagged):  # pitfall 9
    values = GROUND.copy()
    values[:, 0, 0] = -9999
    chip = read_chip(tagged("b.tif", values, SENTINEL), chips(no_data_value=-9999))
    assert chip.image[:, 0, 0, 0].tolist() == [0, 0]
    assert chip.image[0, 0, 0, 1] == -999


def test_cached_layers_are_scaled_like_the_file(tagged):
    path = tagged("b.tif", GROUND, SENTINEL)
    row = Row("b.tif", str(path), None)
    report = check_table("t", [row], InspectionSpec(chips(), None))
    assert report.row_stats[0].scaling == ((1.0, -1000.0), (1.0, -1000.0))
    plain = reader_of([row], chips(), None)
    entries = list_cache_entries(plain, 2, ["int16"])
    cached = replace(plain, cache=MemoryCache(entries), scalings={0: report.row_stats[0].scaling})
    for reader in (plain, cached, cached):
        assert_array_equal(reader.read(0).image[:, 0].numpy(), GROUND - 1000)


def test_statistics_are_those_of_the_values_that_are_read(tagged):
    row = Row("b.tif", str(tagged("b.tif", GROUND, SENTINEL)), None)
    moments = inspect_row(row, InspectionSpec(chips(), None, with_moments=True)).band_moments
    assert moments.mean == pytest.approx(GROUND.mean(axis=(1, 2)) - 1000)
    assert (moments.low[0], moments.high[0]) == (-1000, 11_000)


def test_a_table_with_tags_of_different_units_is_refused(tagged, make_raster):  # pitfall 77
    def row(path):
        return Row(path.name, str(path), None)

    hundred = [row(tagged(f"{number}.tif", GROUND, (0.01, 0))) for number in range(2)]
    plain, hls = row(make_raster("a.tif", GROUND)), row(tagged("hls.tif", GROUND, (0.0001, 0)))
    spec = InspectionSpec(chips(), None)
    assert check_table("t", hundred, spec).tag_factor == pytest.approx(100)
    assert check_table("t", [plain, hls], spec).tag_factor == pytest.approx(10_000)  # what no tags mean
    assert check_table("t", [plain], spec).tag_factor is None
    for odd, words in ((plain, "has no scale tags"), (hls, "has other scale tags")):
        report = check_table("t", [*hundred, odd], spec, skip_bad=True)
        [(left_out, reason)] = report.dropped
        assert left_out == odd
        assert words in reason
        assert "dataloader.scale_tags=apply" in reason


def test_windows_are_scaled_like_the_whole(tagged):
    path = tagged("b.tif", GROUND, SENTINEL)
    window = slice(0, 1), slice(1, 3)
    assert read_layers(path, chips(), window).choice == read_layers(path, chips()).choice
