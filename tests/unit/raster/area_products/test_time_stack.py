"""Stacks of maps over time, and areas of zones over time."""

import csv
import shutil

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from instageo.errors import ConfigError, RasterError
from instageo.raster.area_products.time_series import AreasOverTime, write_areas_over_time
from instageo.raster.area_products.time_stack import write_time_stack
from instageo.raster.area_products.zone_areas import measure_zones
from instageo.raster.area_products.zones import Zone
from instageo.raster.map_products.finished_map import open_map
from instageo.raster.writing import ClassLegend

LEGEND = ClassLegend(["Land", "Water"], {0: (230, 224, 200), 1: (65, 155, 223)})
EAST = Affine(30, 0, 500_060, 0, -30, 4_000_000)
PIXEL_HECTARES = 0.09 / 0.9996**2


@pytest.fixture
def maps_by_date(make_raster):
    """Three dates of two tiles of 2 x 2 pixels; the second date has only the first tile."""

    def make(name, values, **options):
        return make_raster(name, np.array(values, np.uint8), no_data_value=255, legend=LEGEND, **options)

    return {
        "2026-01-05": [make("a/west.tif", [[0, 1], [1, 255]]), make("a/east.tif", [[1, 1], [1, 1]], transform=EAST)],
        "2026-01-21": [make("b/west.tif", [[0, 0], [255, 255]])],
        "2026-02-06": [make("c/east.tif", [[0, 0], [0, 0]], transform=EAST), make("c/west.tif", [[1, 1], [1, 1]])],
    }


def test_a_stack_has_a_band_per_date(maps_by_date, tmp_path):
    paths = write_time_stack(maps_by_date, tmp_path / "stack")
    assert [path.name for path in paths] == ["west.vrt", "east.vrt"]
    with rasterio.open(paths[0]) as west, rasterio.open(paths[1]) as east:
        assert west.read().tolist() == [[[0, 1], [1, 255]], [[0, 0], [255, 255]], [[1, 1], [1, 1]]]
        assert east.read().tolist() == [[[1, 1], [1, 1]], [[255, 255], [255, 255]], [[0, 0], [0, 0]]]
        assert west.descriptions == east.descriptions == ("2026-01-05", "2026-01-21", "2026-02-06")
        assert (east.transform, east.nodata, east.crs.to_epsg()) == (EAST, 255, 32617)
        assert [east.colormap(band)[1] for band in (1, 2, 3)] == [(65, 155, 223, 255)] * 3
    with open_map(paths[0]) as file:
        assert file.class_names == ("Land", "Water")


def test_a_stack_moves_with_its_maps(maps_by_date, tmp_path):
    write_time_stack(maps_by_date, tmp_path / "stack")
    target = tmp_path.with_name(f"{tmp_path.name}_moved")
    shutil.move(tmp_path, target)
    with rasterio.open(target / "stack" / "west.vrt") as source:
        assert source.read(3).tolist() == [[1, 1], [1, 1]]


def test_the_first_map_of_a_date_counts(make_raster, tmp_path):
    first = make_raster("first.tif", np.array([[1, 255]], np.uint8), no_data_value=255)
    second = make_raster("second.tif", np.array([[2, 2]], np.uint8), no_data_value=255)
    [path] = write_time_stack({"day": [first, second]}, tmp_path)
    with rasterio.open(path) as source:
        assert source.read(1).tolist() == [[1, 2]]


def test_stacks_of_values(make_raster, tmp_path):
    paths = [
        make_raster(f"{number}/map.tif", np.array([[number, np.nan]], np.float32), no_data_value=np.nan)
        for number in (1, 2)
    ]
    [path] = write_time_stack({"one": paths[:1], "two": paths[1:]}, tmp_path)
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(source.read(), [[[1, np.nan]], [[2, np.nan]]])


def test_tiles_of_one_name_have_stacks_of_their_own(make_raster, tmp_path):
    one = make_raster("a/map.tif", np.zeros((2, 2), np.uint8))
    other = make_raster("b/map.tif", np.zeros((2, 2), np.uint8), transform=EAST)
    assert [path.name for path in write_time_stack({"day": [one, other]}, tmp_path)] == ["map.vrt", "map_2.vrt"]


def test_maps_that_do_not_fit_are_refused(make_raster, tmp_path):
    first = make_raster("first.tif", np.zeros((2, 2), np.uint8), legend=LEGEND)
    for name, values, options, sentence in (
        ("values.tif", np.zeros((2, 2), np.float32), {}, "have different data types"),
        ("no_data.tif", np.zeros((2, 2), np.uint8), {"no_data_value": 9, "legend": LEGEND}, "different no-data values"),
        ("names.tif", np.zeros((2, 2), np.uint8), {"legend": ClassLegend(["a"])}, "have different class names"),
        ("nowhere.tif", np.zeros((2, 2), np.uint8), {"crs": None}, "has no georeference, so it belongs to no tile"),
    ):
        with pytest.raises(RasterError, match=sentence):
            write_time_stack({"a": [first], "b": [make_raster(name, values, **options)]}, tmp_path / "stack")
    with pytest.raises(ConfigError, match="needs at least one map"):
        write_time_stack({"a": []}, tmp_path / "stack")


def test_areas_over_time(maps_by_date, tmp_path):
    """Tiles of 4 pixels each; observed are 7, 2 and 8 of 8."""
    zone = Zone("A", shapely.box(-81.1, 36, -80.9, 37))
    maps_by_date["2026-01-21"].append(maps_by_date["2026-01-05"][1])
    series = AreasOverTime(tuple(maps_by_date), tuple(measure_zones(maps, [zone]) for maps in maps_by_date.values()))
    assert (series.zone_names, series.class_names, series.has_classes) == (["A"], {0: "Land", 1: "Water"}, True)
    table = list(csv.DictReader(write_areas_over_time(series, tmp_path / "out").open()))
    assert [(row["date"], row["name"], row["pixels"]) for row in table] == [
        ("2026-01-05", "Land", "1"), ("2026-01-05", "Water", "6"), ("2026-01-21", "Land", "2"),
        ("2026-01-21", "Water", "4"), ("2026-02-06", "Land", "4"), ("2026-02-06", "Water", "4"),
    ]  # fmt: skip
    assert [float(row["hectares"]) / PIXEL_HECTARES for row in table] == pytest.approx([1, 6, 2, 4, 4, 4], rel=1e-6)
    zone_hectares = series.areas[0].zones[0].zone_hectares
    assert float(table[0]["observed_share"]) == pytest.approx(7 * PIXEL_HECTARES / zone_hectares, rel=1e-5)


def test_values_over_time(make_raster, tmp_path):
    path = make_raster("map.tif", np.array([[1, 3]], np.float32))
    series = AreasOverTime(("day",), (measure_zones([path], [Zone("A", shapely.box(-81.1, 36, -80.9, 37))]),))
    [row] = csv.DictReader(write_areas_over_time(series, tmp_path).open())
    assert (row["date"], row["zone"], float(row["mean"])) == ("day", "A", pytest.approx(2, rel=1e-6))


def test_dates_need_the_same_zones(make_raster):
    path = make_raster("map.tif", np.zeros((2, 2), np.uint8))
    areas = [measure_zones([path], [Zone(name, shapely.box(0, 0, 1, 1))]) for name in "AB"]
    with pytest.raises(ConfigError, match="the dates x, y have different zones; measure the same at each"):
        AreasOverTime(("x", "y"), tuple(areas))
    with pytest.raises(ConfigError, match="0 labels and 0 dates; expected one of each at least"):
        AreasOverTime((), ())
