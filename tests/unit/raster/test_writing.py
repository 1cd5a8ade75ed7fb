"""Writing GeoTIFFs: values, no-data, names, colours, and nothing half-written."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.errors import WriteError
from instageo.files import find_unfinished
from instageo.raster.cog import write_cog
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import ClassLegend, write_raster
from tests.disks import file_size_limit

NAN = float("nan")


@pytest.mark.parametrize(("count", "size", "rows"), [(6, 224, 48), (1, 224, 224), (36, 100, 18), (1, 2, 2)])
def test_strips_of_small_rasters_have_128_kb(tmp_path, count, size, rows):
    """131,072 bytes are 48 rows of 6 x 224 x 2 bytes, and all of a label of 224 x 448."""
    grid = Grid(None, Affine.identity(), size, size)
    write_raster(tmp_path / "chip.tif", np.zeros((count, size, size), np.int16), grid)
    with rasterio.open(tmp_path / "chip.tif") as file:
        assert file.block_shapes == [(rows, size)] * count


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


def test_files_without_a_georeference_are_read_and_written(make_raster, tmp_path):
    with rasterio.open(tmp_path / "plain.png", "w", driver="PNG", dtype="uint8", count=1, height=1, width=2) as target:
        target.write(np.array([[[3, 4]]], dtype=np.uint8))
    raster = read_raster(tmp_path / "plain.png")
    assert raster.grid == Grid(None, Affine.identity(), 1, 2)
    write_raster(tmp_path / "copy.tif", raster.values, raster.grid)
    copy = read_raster(tmp_path / "copy.tif")
    assert_array_equal(copy.values, raster.values)
    assert copy.grid == raster.grid


def test_classes_are_written_with_names_and_colors(make_raster):
    path = make_raster(
        "map.tif",
        np.array([[0, 199, 255]], dtype=np.uint8),
        no_data_value=255,
        legend=ClassLegend(["sea", "Öde, leer"], {0: (1, 2, 3), 199: (4, 5, 6)}),
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
def test_a_failed_write_names_the_file_and_leaves_nothing(tmp_path, grid, target):
    (tmp_path / "file").touch()
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(WriteError, match=r"\.tif: cannot be written"):
        write_raster(tmp_path / target, np.zeros((1, 1, 1), np.uint8), grid(1, 1))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.tif"]


def test_writing_replaces_the_whole_file(make_raster, tmp_path):
    make_raster("map.tif", np.zeros((50, 50), np.uint8))
    path = make_raster("map.tif", np.array([[7]], dtype=np.uint8))
    assert read_raster(path).values.tolist() == [[[7]]]
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]


def test_a_killed_write_leaves_a_file_that_is_found(make_raster, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *paths: None)
        patch.setattr(Path, "unlink", lambda path: None)
        path = make_raster("a.b.tif", np.ones((2, 2), np.uint8))
    [temporary] = find_unfinished([path, tmp_path / "b.tif"])
    assert temporary.name.startswith(".a.b.tif.")
    assert not path.exists()


def test_a_map_that_the_disk_cuts_off_is_not_written(make_raster, tmp_path):  # pitfall 80
    """GDAL itself does not report what the disk refuses when a file is closed."""
    path = make_raster("map.tif", np.zeros((300, 300), np.uint8))
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)
    with (
        file_size_limit(50_000),
        pytest.raises(WriteError, match=r"map\.tif: cannot be written: File too large"),
    ):
        make_raster("map.tif", noise)
    assert not read_raster(path).values.any()
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]
    make_raster("map.tif", noise)
    assert_array_equal(read_raster(path).values[0], noise)


def test_a_cloud_optimized_copy_that_the_disk_cuts_off_is_not_written(make_raster, tmp_path):  # pitfall 80
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), np.uint8)
    path = make_raster("map.tif", noise)
    with file_size_limit(50_000), pytest.raises(WriteError, match=r"cog\.tif: cannot be written: File too large"):
        write_cog(path, tmp_path / "cog.tif")
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]
    write_cog(path, tmp_path / "cog.tif")
    assert_array_equal(read_raster(tmp_path / "cog.tif").values[0], noise)
