"""Rasters keep their pixels, their place and what is missing."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.crs import CRS
from rasterio.warp import transform

from instageo.errors import RasterError
from instageo.raster.grid import Grid, Raster, crop
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster
from tests.tiffs import LAYOUTS, write_tiff

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64"])
def test_values_grid_and_names_survive_writing(make_raster, grid, kind):  # pitfalls 2, 4
    limits = np.iinfo(kind) if np.dtype(kind).kind in "iu" else np.finfo(kind)
    values = np.array([[[limits.min, 0, 1]], [[2, 100, limits.max]]], dtype=kind)
    raster = read_raster(make_raster("a/b/chip.tif", values, bands=["RED", "NIR"]))
    assert_array_equal(raster.values, values)
    assert raster.values.dtype == kind
    assert raster.valid.all()
    assert raster.grid == grid(1, 3)
    assert raster.bands == ("RED", "NIR")


@pytest.mark.parametrize(
    ("kind", "stored", "tag", "no_data_value", "valid"),
    [
        ("int16", [-9999, 0, 5], None, None, [True, True, True]),
        ("int16", [-9999, 0, 5], -9999, None, [False, True, True]),
        ("int16", [-9999, 0, 5], None, -9999, [False, True, True]),
        ("int16", [-9999, 0, 5], -9999, 0, [False, False, True]),
        ("uint8", [255, 0, 5], 255, -9999, [False, True, True]),
        ("uint16", [65535, 0, 5], 65535, -9999.0, [False, True, True]),
        ("float32", [NAN, INF, 5], None, None, [False, False, True]),
        ("float32", [-9999, NAN, 5], -9999, None, [False, False, True]),
        ("float32", [0.1, 0, 5], 0.1, None, [False, True, True]),
        ("float32", [-3.4028234663852886e38, 0, 5], -3.4028234663852886e38, None, [False, True, True]),
        ("float64", [-9999, 0, 5], None, -9999, [False, True, True]),
        ("float32", [-9999, 0, 5], None, NAN, [True, True, True]),
        ("float32", [-9999, 0, 5], None, -1.7976931348623157e308, [True, True, True]),  # a float32 is never that
    ],
)
def test_missing_pixels_are_known_on_reading(make_raster, kind, stored, tag, no_data_value, valid):  # pitfall 9
    path = make_raster("chip.tif", np.array([stored], dtype=kind), no_data_value=tag)
    assert read_raster(path, no_data_value=no_data_value).valid[0, 0].tolist() == valid


@pytest.mark.parametrize(("kind", "tag"), [("float32", NAN), ("float64", NAN), ("uint8", 255), ("int8", -1)])
def test_no_data_tag_is_written(make_raster, kind, tag):
    values = np.array([[tag, 7]], dtype=kind)
    path = make_raster("chip.tif", values, no_data_value=tag)
    assert_array_equal(read_info(path).no_data_value, tag)
    assert read_raster(path).valid[0, 0].tolist() == [False, True]


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("uint8", -9999), ("uint8", -9999.0), ("uint8", 256), ("uint8", 0.5), ("uint8", NAN), ("int8", 128),
        ("int8", 255), ("uint16", 65536), ("float32", 1e300),
    ],
)  # fmt: skip
def test_no_data_tag_outside_the_type_is_refused(make_raster, tmp_path, kind, tag):  # pitfall 4
    with pytest.raises(ValueError, match=f"is outside {kind}"):
        make_raster("chip.tif", np.zeros((2, 2), kind), no_data_value=tag)
    assert list(tmp_path.iterdir()) == []


def test_header(make_raster, grid):
    info = read_info(make_raster("chip.tif", np.zeros((13, 2, 3), np.int16), no_data_value=-9999))
    assert (info.num_layers, info.grid, info.dtype, info.no_data_value) == (13, grid(2, 3), "int16", -9999)


def test_layers_come_in_the_wanted_order(make_raster):
    path = make_raster("chip.tif", np.arange(4, dtype=np.uint8)[:, None, None], bands=list("abcd"))
    raster = read_raster(path, [3, 1, 1])
    assert raster.values.ravel().tolist() == [3, 1, 1]
    assert raster.bands == ("d", "b", "b")


@pytest.mark.parametrize("layers", [[4], [0, 9], [-1]])
def test_absent_layers_are_refused(make_raster, layers):
    path = make_raster("chip.tif", np.zeros((4, 1, 1), np.uint8))
    with pytest.raises(RasterError, match=r"chip\.tif: has 4 layers"):
        read_raster(path, layers)


def test_each_layer_has_its_own_validity(make_raster):
    path = make_raster("chip.tif", np.array([[[0, 1]], [[1, 0]]], dtype=np.uint8), no_data_value=0)
    assert read_raster(path, [1, 0]).valid[:, 0].tolist() == [[True, False], [False, True]]


def test_files_that_are_no_rasters_are_named(make_raster, tmp_path):  # pitfall 39
    (tmp_path / "text.tif").write_text("no raster")
    damaged = make_raster("damaged.tif", np.sin(np.arange(4096).reshape(64, 64) / 10).round(2).astype(np.float32))
    content = bytearray(damaged.read_bytes())
    content[400:500] = b"\xff" * 100  # the header is whole, so that only reading pixels finds out
    damaged.write_bytes(content)
    assert read_info(damaged).num_layers == 1
    for name, words in {"none": "no such file", "text": "cannot be read", "damaged": "cannot be read"}.items():
        with pytest.raises(RasterError, match=rf"{name}\.tif: {words}"):
            read_raster(tmp_path / f"{name}.tif")


def test_files_without_a_place_are_read_and_written(make_raster, tmp_path):
    with rasterio.open(tmp_path / "plain.png", "w", driver="PNG", dtype="uint8", count=1, height=1, width=2) as target:
        target.write(np.array([[[3, 4]]], dtype=np.uint8))
    raster = read_raster(tmp_path / "plain.png")
    assert raster.grid == Grid(None, Affine.identity(), 1, 2)
    write_raster(tmp_path / "copy.tif", raster.values, raster.grid)
    copy = read_raster(tmp_path / "copy.tif")
    assert_array_equal(copy.values, raster.values)
    assert copy.grid == raster.grid


def test_classes_are_written_with_names_and_colours(make_raster):
    path = make_raster(
        "map.tif",
        np.array([[0, 199, 255]], dtype=np.uint8),
        no_data_value=255,
        class_names=["sea", "Öde, leer"],
        class_colors={0: (1, 2, 3), 199: (4, 5, 6)},
        tags={"MODEL": "tiny"},
    )
    with rasterio.open(path) as source:
        assert source.read().ravel().tolist() == [0, 199, 255]  # pitfall 4
        assert json.loads(source.tags()["CLASS_NAMES"]) == ["sea", "Öde, leer"]
        assert source.tags()["MODEL"] == "tiny"
        assert (source.tags(1)["CLASS_0"], source.tags(1)["CLASS_1"]) == ("sea", "Öde, leer")
        assert source.colormap(1)[0] == (1, 2, 3, 255)
        assert source.colormap(1)[199] == (4, 5, 6, 255)


@pytest.mark.parametrize(("side", "tiled"), [(255, False), (300, True)])
def test_large_rasters_are_tiled(make_raster, side, tiled):
    with rasterio.open(make_raster("map.tif", np.zeros((side, side), np.uint8))) as source:
        assert source.profile["tiled"] == tiled


@pytest.mark.parametrize("shape", [(2, 2), (1, 3, 2), (1, 1, 2, 3)])
def test_values_that_do_not_fit_the_grid_are_refused(tmp_path, grid, shape):  # pitfall 2
    with pytest.raises(ValueError, match="do not fit the grid"):
        write_raster(tmp_path / "map.tif", np.zeros(shape, np.uint8), grid(2, 3))


@pytest.mark.parametrize("target", ["file/map.tif", "file/folder/map.tif", "folder.tif"])
def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path, grid, target):
    (tmp_path / "file").touch()
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(RasterError, match=r"\.tif: cannot be written"):
        write_raster(tmp_path / target, np.zeros((1, 1, 1), np.uint8), grid(1, 1))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.tif"]


def test_writing_replaces_the_whole_file(make_raster, tmp_path):
    make_raster("map.tif", np.zeros((50, 50), np.uint8))
    path = make_raster("map.tif", np.array([[7]], dtype=np.uint8))
    assert read_raster(path).values.tolist() == [[[7]]]
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Affine(30, 0, 500_000, 0, -30, 4_000_000), True),
        (Affine(30, 0, 500_000.001, 0, -30, 4_000_000), True),  # a thirty thousandth of a pixel
        (Affine(30, 0, 500_030, 0, -30, 4_000_000), False),
        (Affine(30.01, 0, 500_000, 0, -30, 4_000_000), False),  # the far corner is 0.2 m off
        (Affine(30, 0, 500_000, 0, 30, 4_000_000), False),
    ],
)
def test_grids_match_where_pixels_lie_on_pixels(grid, other, expected):  # pitfall 2
    here = grid(10, 20)
    there = Grid(here.crs, other, 10, 20)
    assert here.matches(there) == there.matches(here) == expected
    assert here.matches(Grid(None, other, 10, 20))
    assert not here.matches(Grid(here.crs, here.transform, 10, 21))


def test_a_window_moves_the_corner(grid):
    window = grid(10, 20).window(2, 3, 4, 5)
    assert window.shape == (4, 5)
    assert (window.transform.c, window.transform.f) == (500_000 + 3 * 30, 4_000_000 - 2 * 30)
    assert (window.transform.a, window.transform.e) == (30, -30)


def test_a_crop_keeps_pixels_in_place(make_raster, grid):
    raster = read_raster(make_raster("chip.tif", np.arange(12, dtype=np.uint8).reshape(3, 4)), no_data_value=6)
    part = crop(raster, 1, 2, 2, 2)
    assert part.values.tolist() == [[[6, 7], [10, 11]]]
    assert part.valid.tolist() == [[[False, True], [True, True]]]
    assert part.grid == grid(3, 4).window(1, 2, 2, 2)


@pytest.mark.parametrize(
    ("values", "valid", "bands"),
    [((2, 2, 3), (1, 2, 3), "a"), ((1, 2, 3), (2, 3), "a"), ((1, 2, 3), (1, 2, 3), "ab"), ((1, 3, 2), (1, 3, 2), "a")],
)
def test_parts_of_a_raster_must_agree(grid, values, valid, bands):
    with pytest.raises(ValueError, match=r"expected both \("):
        Raster(np.zeros(values), np.ones(valid, bool), grid(2, 3), tuple(bands))


def placed(epsg, transform, height=4, width=8):
    return Grid(CRS.from_epsg(epsg).to_wkt(), transform, height, width)


MERCATOR_10_E = 6378137 * math.radians(10)
MERCATOR_45_N = 6378137 * math.log(math.tan(math.radians(45 / 2 + 45)))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (placed(4326, Affine(0.5, 0, 10, 0, -0.25, 50)), (49.5, 12)),
        (placed(4326, Affine(0.5, 0, 359, 0, -0.25, 50)), (49.5, 1)),  # longitudes 0..360
        (placed(4326, Affine(0.5, 0, 179, 0, -0.25, -10)), (-10.5, -179)),  # across the date line
        (placed(4326, Affine(0, 0.5, 10, -0.25, 0, 50)), (49, 11)),  # columns run to the south
        (placed(3857, Affine(10, 0, MERCATOR_10_E - 40, 0, -10, MERCATOR_45_N + 20)), (45, 10)),
        (placed(32617, Affine(10, 0, 500_000 - 40, 0, -10, 20)), (0, -81)),  # equator and central meridian of zone 17
        (placed(32717, Affine(10, 0, 500_000 - 40, 0, -10, 10_000_020)), (0, -81)),  # the same from the south
    ],
)
def test_the_middle_of_a_grid_by_hand(place, expected):
    assert place.center_lat_lon() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("epsg", [32633, 32733, 5070])
def test_the_middle_of_a_small_grid_is_the_mean_of_its_corners(epsg):
    turn = Affine(30, 0, 300_000, 0, -30, 4_000_000)
    columns, rows = [300_000, 300_240], [4_000_000, 3_999_880]
    longitudes, latitudes = transform(
        CRS.from_epsg(epsg), CRS.from_epsg(4326), columns + columns, rows + list(reversed(rows))
    )
    assert placed(epsg, turn).center_lat_lon() == pytest.approx((np.mean(latitudes), np.mean(longitudes)), abs=1e-6)


def test_a_grid_without_a_reference_system_has_no_middle():
    assert Grid(None, Affine(30, 0, 500_000, 0, -30, 4_000_000), 4, 8).center_lat_lon() is None
    assert placed(4326, Affine(1, 0, 0, 0, 1, 400)).center_lat_lon() is None  # 402 degrees north


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ('LOCAL_CS["x",UNIT["metre",1]]', Affine(30, 0, 5e5, 0, -30, 4e6)),
        ("EPSG:32617", Affine(10, 0, 1e9, 0, -10, 20)),
        ("EPSG:4326", Affine.identity()),
        ("EPSG:4326", Affine(1, 0, 10, 0, -1, 200)),
    ],
    ids=["engineering", "outside-the-projection", "no-transform", "beyond-the-pole"],
)
def test_a_grid_that_lies_nowhere_on_earth_has_no_centre(crs, transform):
    assert Grid(CRS.from_user_input(crs).to_wkt(), transform, 10, 10).center_lat_lon() is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_ends_too_soon_is_an_error(tmp_path, layout):  # pitfall 39
    """Plain files are mapped into memory, where reading beyond the end would kill the process."""
    layers = np.random.default_rng(0).integers(0, 10_000, (3, 64, 64)).astype(np.int16)
    path = write_tiff(tmp_path / "cut.tif", layers, layout=layout)
    assert_array_equal(read_raster(path).values, layers)
    os.truncate(path, Path(path).stat().st_size - 1000)
    with pytest.raises(RasterError, match="cannot be read as a raster"):
        read_raster(path)
