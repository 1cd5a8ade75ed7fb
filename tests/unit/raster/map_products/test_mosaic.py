"""Mosaics of maps as VRTs."""

import json
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.crs import CRS

from instageo.errors import ConfigError, RasterError, WriteError
from instageo.raster.map_products.map_areas import measure_classes
from instageo.raster.map_products.mosaic import write_mosaic
from instageo.raster.writing import ClassLegend

LEGEND = ClassLegend(['<land> & "sea"', "ውሃ"], {0: (1, 2, 3), 1: (40, 50, 60)})


def at(column, row, **others):
    return {"transform": Affine(30, 0, 500_000 + 30 * column, 0, -30, 4_000_000 - 30 * row), **others}


@pytest.fixture
def make_map(make_raster):
    def make(name, values, **options):
        return make_raster(name, values, no_data_value=255, bands=["class"], legend=LEGEND, **options)

    return make


def test_maps_lie_side_by_side(make_map, tmp_path):
    rng = np.random.default_rng(0)
    whole = rng.choice(np.array([0, 1, 255], np.uint8), (70, 90))
    whole[40:, :20] = 255
    parts = {
        "a & b/'1'.tif": (20, 0, 40, 50),
        "c.tif": (60, 10, 30, 30),
        "ü.tif": (20, 40, 70, 30),
        "d.tif": (0, 0, 20, 40),
    }
    expected = np.full_like(whole, 255)
    maps = []
    for name, (column, row, width, height) in parts.items():
        part = whole[row : row + height, column : column + width]
        expected[row : row + height, column : column + width] = part
        maps.append(make_map(name, part, **at(column, row)))
    write_mosaic(maps, tmp_path / "out" / "mosaic.vrt")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mosaic.vrt"]
    with rasterio.open(tmp_path / "out" / "mosaic.vrt") as source:
        assert_array_equal(source.read(1), expected)
        assert source.transform == Affine(30, 0, 500_000, 0, -30, 4_000_000)
        assert source.crs == CRS.from_epsg(32617)
        assert (source.nodata, source.descriptions, source.dtypes) == (255, ("class",), ("uint8",))
        assert json.loads(source.tags()["CLASS_NAMES"]) == list(LEGEND.names)
        assert source.tags(1)["CLASS_0"] == LEGEND.names[0]
        assert source.colormap(1)[1] == (40, 50, 60, 255)
    areas = measure_classes(tmp_path / "out" / "mosaic.vrt")
    assert [area.pixels for area in areas.classes] == [(expected == 0).sum(), (expected == 1).sum()]


def test_a_mosaic_moves_with_its_maps(make_map, tmp_path):
    map_path = make_map("old/maps/a.tif", np.ones((2, 3), np.uint8))
    write_mosaic([map_path], tmp_path / "old" / "mosaic.vrt")
    shutil.move(tmp_path / "old", tmp_path / "new")
    with rasterio.open(tmp_path / "new" / "mosaic.vrt") as source:
        assert source.read(1).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_the_last_of_overlapping_maps_counts_where_it_has_data(make_map, tmp_path):
    maps = [
        make_map("a.tif", np.zeros((1, 3), np.uint8)),
        make_map("b.tif", np.array([[1, 255, 1]], np.uint8), **at(1, 0)),
    ]
    write_mosaic(maps, tmp_path / "mosaic.vrt")
    with rasterio.open(tmp_path / "mosaic.vrt") as source:
        assert source.read(1).tolist() == [[0, 1, 0, 1]]


def test_values_with_nan_and_several_bands(make_raster, tmp_path):
    values = np.array([[[1, np.nan]], [[3, 4]]], np.float32)
    options = {"no_data_value": np.nan, "bands": ["value", "low"]}
    maps = [make_raster(f"{column}.tif", values, **options, **at(column, 0)) for column in (0, 3)]
    write_mosaic(maps, tmp_path / "mosaic.vrt")
    with rasterio.open(tmp_path / "mosaic.vrt") as source:
        assert_array_equal(source.read(), np.concatenate([values, np.full((2, 1, 1), np.nan), values], axis=2))
        assert source.descriptions == ("value", "low")


@pytest.mark.parametrize(
    ("difference", "message"),
    [
        ({"crs": CRS.from_epsg(32618).to_wkt()}, "coordinate reference systems"),
        ({"transform": Affine(20, 0, 500_000, 0, -20, 4_000_000)}, "pixel sizes"),
        ({"transform": Affine(30, 0, 500_000, 0, 30, 4_000_000)}, "pixel sizes"),
        ({"transform": Affine(30, 0, 500_015, 0, -30, 4_000_000)}, "grids, whose pixels do not coincide"),
        ({"no_data_value": 254}, "no-data values"),
        ({"legend": ClassLegend(["land", "sea"], LEGEND.colors)}, "class names"),
        ({"legend": ClassLegend(LEGEND.names)}, "colour tables"),
        ({"bands": ["label"]}, "bands"),
    ],
)
def test_maps_that_do_not_fit_are_named(make_raster, tmp_path, difference, message):
    usual = {"no_data_value": 255, "bands": ["class"], "legend": LEGEND}
    maps = [
        make_raster(f"{name}.tif", np.zeros((2, 2), np.uint8), **usual | own)
        for name, own in (("a", {}), ("b", difference))
    ]
    with pytest.raises(RasterError, match=rf"a\.tif and .*b\.tif: have different {message}, but"):
        write_mosaic(maps, tmp_path / "mosaic.vrt")
    assert not (tmp_path / "mosaic.vrt").exists()


def test_maps_without_a_place_and_no_maps(make_raster, tmp_path):
    path = make_raster("a.tif", np.zeros((2, 2), np.uint8), crs=None, transform=Affine.identity())
    with pytest.raises(RasterError, match=r"a\.tif: has no georeference"):
        write_mosaic([path], tmp_path / "mosaic.vrt")
    with pytest.raises(ConfigError, match="at least one map"):
        write_mosaic([], tmp_path / "mosaic.vrt")


def test_a_mosaic_that_the_disk_refuses(make_map, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"m\.vrt: cannot be written"):
        write_mosaic([make_map("a.tif", np.zeros((2, 2), np.uint8))], tmp_path / "file" / "m.vrt")
