"""Changes between two maps, and their hectares."""

import csv
import json
from itertools import combinations

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.area_products import changes
from instageo.raster.area_products.change_areas import summarize_changes, write_change_areas
from instageo.raster.area_products.change_colors import change_colors
from instageo.raster.area_products.changes import ChangeReport, compare_maps
from instageo.raster.area_products.zones import Zone
from instageo.raster.reading import read_raster
from instageo.raster.warp import transform_coordinates
from instageo.raster.writing import ClassLegend

LEGEND = ClassLegend(["Land", "Water"], {0: (230, 224, 200), 1: (65, 155, 223)})
PIXEL_HECTARES = 0.09 / 0.9996**2
"""Area of a pixel of 30 m on the central meridian of UTM, where `make_raster` places its maps."""

EVERYWHERE = Zone("all", shapely.box(-81.1, 36, -80.9, 37))


@pytest.fixture
def make_pair(make_raster):
    """Function that writes two maps and returns their paths."""

    def make(before, after, **options):
        options = {"legend": LEGEND, "no_data_value": 255} | options
        return make_raster("before.tif", before, **options), make_raster("after.tif", after, **options)

    return make


def test_changes_of_two_classes(make_pair, tmp_path):
    before = np.array([[0, 0, 1, 1], [255, 0, 255, 1]], np.uint8)
    after = np.array([[0, 1, 0, 1], [0, 255, 255, 1]], np.uint8)
    out = tmp_path / "new" / "change.tif"
    assert compare_maps(*make_pair(before, after), out) == ChangeReport(5, 2, 3)
    with rasterio.open(out) as source:
        assert source.read(1).tolist() == [[0, 1, 2, 3], [255, 255, 255, 3]]
        assert (source.nodata, source.descriptions) == (255, ("change",))
        assert json.loads(source.tags()["CLASS_NAMES"]) == ["Land", "Land → Water", "Water → Land", "Water"]
        assert (source.tags()["CHANGE_BEFORE"], source.tags()["CHANGE_AFTER"]) == ("before.tif", "after.tif")
        colors = source.colormap(1)
    assert (colors[1][:3], colors[2][:3]) == ((0, 114, 178), (213, 94, 0))  # blue gains and orange losses of water
    assert all(max(colors[number][:3]) - min(colors[number][:3]) < 50 for number in (0, 3))
    assert [path.name for path in out.parent.iterdir()] == ["change.tif"]


def test_a_large_map_is_a_cog_with_overviews(make_pair, tmp_path, monkeypatch):
    from rio_cogeo.cogeo import cog_validate

    monkeypatch.setattr(changes, "PANEL_COLUMNS", 512)
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 2, (2, 1100, 1300)).astype(np.uint8)
    report = compare_maps(*make_pair(before, after), tmp_path / "change.tif")
    assert (report.compared_pixels, report.changed_pixels) == (1100 * 1300, (before != after).sum())
    np.testing.assert_array_equal(read_raster(tmp_path / "change.tif").values[0], 2 * before + after)
    valid, errors, warnings = cog_validate(tmp_path / "change.tif", quiet=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(tmp_path / "change.tif") as source:
        assert source.overviews(1) == [2, 4]


def test_differences_of_values(make_pair, tmp_path):
    before = np.array([[1, 2, np.nan], [4, 5, 6]], np.float32)
    after = np.array([[1.5, 2, 3], [np.nan, 4, 8]], np.float32)
    pair = make_pair(before, after, legend=None, no_data_value=np.nan)
    assert compare_maps(*pair, tmp_path / "change.tif") == ChangeReport(4, 3, 2)
    change = read_raster(tmp_path / "change.tif")
    np.testing.assert_array_equal(change.values[0], np.array([[0.5, 0, np.nan], [np.nan, -1, 2]], np.float32))
    areas = summarize_changes([tmp_path / "change.tif"], [EVERYWHERE])
    assert areas.zones[0].mean_change == pytest.approx(1.5 / 4, rel=1e-6)
    assert areas.zones[0].sum_change == pytest.approx(1.5 * PIXEL_HECTARES, rel=1e-6)
    paths = write_change_areas(areas, tmp_path)
    assert [path.name for path in paths] == ["changes.csv", "changes.json"]
    [row] = csv.DictReader(paths[0].open())
    assert float(row["mean_change"]) == areas.zones[0].mean_change


def test_classes_without_names_are_numbers(make_pair, tmp_path):
    pair = make_pair(np.array([[0, 1]], np.uint8), np.array([[2, 1]], np.uint8), legend=None)
    compare_maps(*pair, tmp_path / "change.tif")
    assert read_raster(tmp_path / "change.tif").values[0].tolist() == [[2, 4]]
    assert json.loads(read_raster(tmp_path / "change.tif").tags["CLASS_NAMES"])[:3] == ["0", "0 → 1", "0 → 2"]


def test_fifteen_classes_fit_and_sixteen_do_not(make_pair, tmp_path):
    values = np.array([[14, 0]], np.uint8)
    compare_maps(*make_pair(values, values, legend=ClassLegend(list("abcdefghijklmno"))), tmp_path / "change.tif")
    assert read_raster(tmp_path / "change.tif").values[0].tolist() == [[224, 0]]
    pair = make_pair(values, values, legend=ClassLegend(list("abcdefghijklmnop")))
    with pytest.raises(RasterError, match="has 16 classes, but a map of changes holds those between 15 at most"):
        compare_maps(*pair, tmp_path / "change.tif")


def test_maps_that_do_not_fit_are_refused(make_raster, tmp_path):
    zeros, out = np.zeros((2, 3), np.uint8), tmp_path / "out" / "change.tif"
    first = make_raster("first.tif", zeros, legend=LEGEND)
    for name, values, options, sentence in (
        ("shape.tif", zeros[:, :2], {}, r"different grids \(2 x 3 pixels from .*; 2 x 2 pixels"),
        ("shifted.tif", zeros, {"transform": Affine(30, 0, 500_030, 0, -30, 4e6)}, "have different grids"),
        ("zone.tif", zeros, {"crs": CRS.from_epsg(32618).to_wkt()}, "have different grids"),
        ("values.tif", zeros.astype(np.float32), {}, "one holds classes and the other one values"),
        ("names.tif", zeros, {"legend": ClassLegend(["Land", "Snow"])}, "have different class names"),
        ("class.tif", zeros + 2, {"legend": LEGEND}, r"class.tif: holds class 2, but its 2 names end with class 1"),
    ):
        with pytest.raises(RasterError, match=sentence):
            compare_maps(first, make_raster(name, values, **options), out)
    assert not list(out.parent.glob("*"))


def test_hectares_of_transitions_gains_and_losses(make_raster, tmp_path):
    """Three classes, 30 m pixels: the upper half of the maps is zone A; a third of it is not observed before."""
    before = np.array([[0, 0, 1, 2, 255, 255], [1] * 6], np.uint8)
    after = np.array([[0, 1, 2, 2, 0, 1], [2, 2, 255, 1, 1, 1]], np.uint8)
    legend = ClassLegend(["Land", "Water", "Snow"])
    pair = [
        make_raster(name, values, legend=legend, no_data_value=255)
        for name, values in (("before.tif", before), ("after.tif", after))
    ]
    compare_maps(*pair, tmp_path / "change.tif")
    _, [border] = transform_coordinates("EPSG:32617", "EPSG:4326", [500_000], [4_000_000 - 30])
    upper = Zone("A", shapely.box(-81.1, border, -80.9, 37))
    areas = summarize_changes([tmp_path / "change.tif"], [upper, EVERYWHERE])
    first, whole = areas.zones
    changed = {(each.before, each.after): each.pixels for each in first.transitions if each.pixels}
    assert changed == {("Land", "Land"): 1, ("Land", "Water"): 1, ("Water", "Snow"): 1, ("Snow", "Snow"): 1}
    assert len(first.transitions) == 9
    assert first.compared_hectares == pytest.approx(4 * PIXEL_HECTARES, rel=1e-6)
    assert first.changed_hectares == pytest.approx(2 * PIXEL_HECTARES, rel=1e-6)
    assert [each.share_of_compared for each in first.transitions if each.pixels] == pytest.approx([0.25] * 4, rel=1e-6)
    rows = [
        ("Land", 2, 1, 0, 1, -1),
        ("Water", 1, 1, 1, 1, 0),
        ("Snow", 1, 2, 1, 0, 1),
    ]
    for change, (name, *pixels) in zip(first.classes, rows, strict=True):
        values = [change.before, change.after, change.gain, change.loss, change.net]
        assert change.name == name
        assert values == pytest.approx([number * PIXEL_HECTARES for number in pixels], rel=1e-6, abs=1e-9)
    assert whole.classes[1].loss == pytest.approx(3 * PIXEL_HECTARES, rel=1e-6)
    assert whole.compared_hectares == pytest.approx(9 * PIXEL_HECTARES, rel=1e-6)
    paths = write_change_areas(areas, tmp_path)
    assert [path.name for path in paths] == ["changes.csv", "class_changes.csv", "changes.json"]
    table = list(csv.DictReader(paths[0].open(encoding="utf-8")))
    assert (len(table), table[1]["before"], table[1]["after"], table[1]["pixels"]) == (18, "Land", "Water", "1")
    losses = list(csv.DictReader(paths[1].open(encoding="utf-8")))
    assert float(losses[4]["loss_hectares"]) == whole.classes[1].loss
    record = json.loads(paths[2].read_text(encoding="utf-8"))
    assert record["zones"][0]["not_compared_hectares"] == first.not_compared_hectares
    assert "only pixels that both dates observe" in record["method"]


def test_other_maps_have_no_changes(make_pair, tmp_path):
    path, _ = make_pair(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    with pytest.raises(RasterError, match=r"before.tif: is not a map of changes"):
        summarize_changes([path], [EVERYWHERE])


def test_changes_of_different_classes_are_refused(make_pair, make_raster, tmp_path):
    zeros = np.zeros((2, 2), np.uint8)
    compare_maps(*make_pair(zeros, zeros), tmp_path / "one.tif")
    compare_maps(*make_pair(zeros, zeros, legend=ClassLegend(["a", "b"])), tmp_path / "other.tif")
    with pytest.raises(RasterError, match=r"one.tif and .*other.tif: hold changes of different classes"):
        summarize_changes([tmp_path / "one.tif", tmp_path / "other.tif"], [EVERYWHERE])


@pytest.mark.parametrize("num_classes", [2, 3, 7, 15])
def test_no_two_changes_have_the_same_colour(num_classes):
    colors = change_colors(num_classes, {})
    assert list(colors) == list(range(num_classes**2))
    assert all(one != other for one, other in combinations(colors.values(), 2))
