"""Reading rasters: layers, metadata, no-data, and errors."""

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.errors import RasterError
from instageo.raster.reading import local_environment, open_raster, read_info, read_raster
from tests.tiffs import LAYOUTS, write_tiff

NAN, INF = float("nan"), float("inf")


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
def test_invalid_pixels_are_found_on_reading(make_raster, kind, stored, tag, no_data_value, valid):  # pitfall 9
    path = make_raster("chip.tif", np.array([stored], dtype=kind), no_data_value=tag)
    assert read_raster(path, no_data_value=no_data_value).valid[0, 0].tolist() == valid


def test_metadata_of_a_file(make_raster, grid):
    info = read_info(make_raster("chip.tif", np.zeros((13, 2, 3), np.int16), no_data_value=-9999))
    assert (info.num_layers, info.grid, info.dtype, info.no_data_value) == (13, grid(2, 3), "int16", -9999)


DAMAGED = {
    "size 0": Affine(0, 0, 5e5, 0, 0, 4e6),
    "vanishing area": Affine(1e-200, 0, 5e5, 0, -1e-200, 4e6),
    "infinite area": Affine(1e200, 0, 5e5, 0, -1e200, 4e6),
    "infinite corner": Affine(30, 0, float("inf"), 0, -30, 4e6),
    "no numbers": Affine(*[float("nan")] * 6),
    "pixels on a line": Affine(30, 30, 5e5, 30, 30, 4e6),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_transform_that_gives_pixels_no_place_is_none(make_raster, name):
    """Otherwise, wherever it is inverted, it ends in a traceback."""
    path = make_raster("chip.tif", np.zeros((1, 2, 3), np.uint8), transform=DAMAGED[name])
    with rasterio.open(path) as file:
        assert not file.transform.is_identity
    assert read_info(path).grid.transform.is_identity


def write_located(path, crs):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        height=2,
        width=2,
        dtype="uint8",
        crs=crs,
        transform=Affine(1, 0, 0, 0, -1, 9),
    ) as file:
        file.write(np.zeros((1, 2, 2), np.uint8))
    return path


def test_reference_systems_are_those_that_gdal_reads_by_default(tmp_path):
    """The last file has the code of a system on WGS 84, but the ellipsoid of another one; which files alternate."""
    systems = ["EPSG:32632", "EPSG:4326", "EPSG:3035", "EPSG:4258", "EPSG:27700", "+proj=sinu +R=6371007.181", None]
    paths = [write_located(tmp_path / f"{number}.tif", crs) for number, crs in enumerate(systems)]
    paths.append(write_located(tmp_path / "contradiction.tif", "+proj=utm +zone=32 +ellps=intl +units=m"))
    code, user_defined = struct.pack("<4H", 3072, 0, 1, 32632), struct.pack("<4H", 3072, 0, 1, 32767)
    assert paths[-1].read_bytes().count(user_defined) == 1
    paths[-1].write_bytes(paths[-1].read_bytes().replace(user_defined, code))
    expected = {}
    for path in paths:
        with rasterio.open(path) as file:
            expected[path] = file.crs.to_wkt() if file.crs else None
    assert 'SPHEROID["International' in expected[paths[-1]]
    assert expected[paths[-1]].endswith('AUTHORITY["EPSG","32632"]]')
    order = [*paths, *paths[::-1], *paths[::2], *paths[::-3]]
    with ThreadPoolExecutor(1) as pool:  # where options of GDAL do not hold for other threads
        for path, info in zip(order, pool.map(read_info, order), strict=True):
            assert info.grid.crs == expected[path]


def test_the_source_of_reference_systems_can_be_set(tmp_path):
    """With GeoKeys alone, GDAL finds no EPSG code of a geographic system."""
    path = write_located(tmp_path / "geographic.tif", "EPSG:4326")

    def read(**options):
        with rasterio.Env(**options):
            return read_info(path).grid.crs

    for call in (lambda function, **options: function(**options), in_a_thread):
        assert call(read).endswith('AUTHORITY["EPSG","4326"]]')
        assert not call(read, GTIFF_SRS_SOURCE="GEOKEYS").endswith('AUTHORITY["EPSG","4326"]]')
    with rasterio.Env(GTIFF_SRS_SOURCE="GEOKEYS"):  # of the main thread, which holds for all threads
        assert not in_a_thread(read).endswith('AUTHORITY["EPSG","4326"]]')


def in_a_thread(function, **options):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, **options).result()


def test_no_option_is_left_after_opening(make_raster, tmp_path):
    geographic = write_located(tmp_path / "geographic.tif", "EPSG:4326")

    def read_within():
        with open_raster(make_raster("chip.tif", np.zeros((1, 2, 2), np.uint8))), rasterio.open(geographic) as file:
            return file.crs.to_epsg()

    assert in_a_thread(read_within) == 4326


def test_files_share_an_environment_that_is_there(make_raster, monkeypatch):
    path = make_raster("chip.tif", np.arange(4, dtype=np.uint8)[:, None, None])
    read_info(path)
    with local_environment():
        monkeypatch.setattr(rasterio, "Env", None)
        assert read_raster(path).values.ravel().tolist() == [0, 1, 2, 3]


def test_layers_come_in_the_requested_order(make_raster):
    path = make_raster("chip.tif", np.arange(4, dtype=np.uint8)[:, None, None], bands=list("abcd"))
    raster = read_raster(path, [3, 1, 1])
    assert raster.values.ravel().tolist() == [3, 1, 1]
    assert raster.bands == ("d", "b", "b")


@pytest.mark.parametrize("layers", [[4], [0, 9], [-1]])
def test_missing_layers_are_refused(make_raster, layers):
    path = make_raster("chip.tif", np.zeros((4, 1, 1), np.uint8))
    with pytest.raises(RasterError, match=r"chip\.tif: has 4 layers"):
        read_raster(path, layers)


def test_each_layer_has_its_own_validity(make_raster):
    path = make_raster("chip.tif", np.array([[[0, 1]], [[1, 0]]], dtype=np.uint8), no_data_value=0)
    assert read_raster(path, [1, 0]).valid[:, 0].tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    ("name", "reason"), [("x" * 300, "cannot be opened (File name too long)"), ("a\0b", "no such file")]
)
def test_paths_that_cannot_be_are_named(name, reason):
    with pytest.raises(RasterError) as caught:
        read_info(name)
    assert str(caught.value) == f"{name}: {reason}; check the path, root_dir and the table"


def test_unreadable_files_are_named(make_raster, tmp_path):  # pitfall 39
    (tmp_path / "text.tif").write_text("no raster")
    damaged = make_raster("damaged.tif", np.sin(np.arange(4096).reshape(64, 64) / 10).round(2).astype(np.float32))
    content = bytearray(damaged.read_bytes())
    content[400:500] = b"\xff" * 100  # the header is whole, so that only reading pixels finds out
    damaged.write_bytes(content)
    assert read_info(damaged).num_layers == 1
    for name, words in {"none": "no such file", "text": "cannot be read", "damaged": "cannot be read"}.items():
        with pytest.raises(RasterError, match=rf"{name}\.tif: {words}") as caught:
            read_raster(tmp_path / f"{name}.tif")
        assert str(caught.value).count(str(tmp_path)) == 1  # the reason calls the file "it"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_truncated_file_is_an_error(tmp_path, layout):  # pitfall 39
    """Plain files are mapped into memory, where reading beyond the end would kill the process."""
    layers = np.random.default_rng(0).integers(0, 10_000, (3, 64, 64)).astype(np.int16)
    path = write_tiff(tmp_path / "cut.tif", layers, layout=layout)
    assert_array_equal(read_raster(path).values, layers)
    os.truncate(path, Path(path).stat().st_size - 1000)
    with pytest.raises(RasterError, match="cannot be read as a raster"):
        read_raster(path)
