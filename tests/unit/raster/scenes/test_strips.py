import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.control import GroundControlPoint

from instageo.errors import RasterError
from instageo.raster.reading import open_raster, read_raster
from instageo.raster.scenes.scene import BandSource, open_scene
from tests import http_server
from tests.scenes import (
    LAYOUTS,
    TRANSFORM,
    layers_of,
    random_scene,
    read_strips,
    scene_of,
    strip_reader,
    write_scene,
    write_vrt,
    write_zip,
)
from tests.tiffs import MASK_KINDS, write_layer_tags, write_masked_tiff

SHAPE = (6, 300, 530)


@pytest.fixture(scope="module")
def pixels():
    return random_scene(SHAPE)


def assert_is(scene, pixels, **settings):
    values, valid = read_strips(scene, **settings)
    assert values.dtype == pixels.dtype
    assert_array_equal(values, pixels)
    assert_array_equal(valid, (pixels != 0).all(axis=0)[np.newaxis])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strips_are_the_same_in_every_layout(tmp_path, pixels, layout):
    scene = scene_of(write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS[layout]), 6)
    assert_is(scene, pixels)
    assert_is(scene, pixels, threads=3)


def test_strips_of_six_files(tmp_path, pixels):
    paths = [
        write_scene(tmp_path / f"{band}.tif", pixels[band : band + 1], **LAYOUTS[layout])
        for band, layout in enumerate(LAYOUTS)
    ]
    scene = open_scene([BandSource(path) for path in paths], 1)
    assert_is(scene, pixels)
    assert_is(scene, pixels, threads=2)


def test_strips_of_a_vrt_an_archive_and_a_url(tmp_path, pixels):
    path = write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS["256 blocks"])
    scene = scene_of(write_vrt(tmp_path / "scene.vrt", path, SHAPE[1:], 6), 6)
    assert scene.block_shape == (256, 256)  # of the file, not the 128 of the VRT
    assert_is(scene, pixels)
    assert_is(scene, pixels, threads=2)
    assert_is(scene_of(write_zip(tmp_path / "scene.zip", path), 6), pixels)
    with http_server.running(tmp_path) as port:
        scene = scene_of(f"http://127.0.0.1:{port}/scene.tif", 6)
        assert_is(scene, pixels, threads=2)


def test_strips_of_jpeg_2000(tmp_path):
    pixels = random_scene((2, 300, 270), 7, np.uint16)
    paths = [str(tmp_path / f"{band}.jp2") for band in range(2)]
    for path, band in zip(paths, pixels, strict=True):
        with rasterio.open(
            path, "w", driver="JP2OpenJPEG", count=1, height=300, width=270, dtype="uint16", crs="EPSG:32633",
            transform=TRANSFORM, quality=100, reversible="YES", blockxsize=128, blockysize=128,
        ) as target:  # fmt: skip
            target.write(band, 1)
    scene = open_scene([BandSource(path) for path in paths], 1, no_data_value=0)
    assert scene.block_shape == (128, 128)
    assert_is(scene, pixels)


@pytest.mark.parametrize("shape", [(1, 1), (31, 31), (33, 33), (223, 223), (447, 37)])
def test_odd_sizes(tmp_path, shape):
    pixels = random_scene((2, *shape))
    for layout in LAYOUTS:
        assert_is(scene_of(write_scene(tmp_path / f"{layout}.tif", pixels, **LAYOUTS[layout]), 2), pixels)


def test_strips_end_where_blocks_do(tmp_path, pixels):
    def ends(layout, rows=slice(0, 300)):
        scene = scene_of(write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS[layout]), 6)
        return [strip.row for strip in strip_reader(scene, slice(0, 5), rows)]

    assert ends("512 blocks") == [0]
    assert ends("256 blocks") == [0, 256]
    assert ends("rows") == [0, 64, 128, 192, 256]
    assert ends("strips of 7 rows") == [0, 70, 140, 210, 280]
    assert ends("128 blocks by band", slice(130, 257)) == [130, 256]


@pytest.mark.parametrize("layout", ["256 blocks", "rows"])
def test_panels_and_inner_rows_give_the_same_pixels(tmp_path, pixels, layout):
    scene = scene_of(write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS[layout]), 6)
    rows, columns = slice(37, 291), slice(100, 301)
    values, valid = read_strips(scene, rows, columns)
    assert_array_equal(values, pixels[:, rows, columns])
    assert_array_equal(valid[0], (pixels != 0).all(axis=0)[rows, columns])
    with pytest.raises(ValueError, match="columns 0 to 531 are not inside 0 to 530"):
        strip_reader(scene, slice(0, 531), slice(0, 5))


def test_dates_are_valid_for_themselves_and_layers_keep_their_order(tmp_path, pixels):
    path = write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS["256 blocks"])
    other = write_scene(tmp_path / "other.tif", pixels[:1].astype(np.uint8), interleave="band")
    order = [5, 0, 2, 2]
    scene = open_scene([*(BandSource(path, layer) for layer in order), BandSource(other), BandSource(path, 1)], 3)
    values, valid = read_strips(scene)
    expected = np.concatenate([pixels[order], pixels[:1].astype(np.uint8), pixels[1:2]])
    assert (scene.bands_per_date, scene.dtype) == (2, "int16")
    assert_array_equal(values, expected)
    assert_array_equal(valid, (expected != 0).reshape(3, 2, 300, 530).all(axis=1))


@pytest.mark.parametrize("kind", MASK_KINDS)
def test_masks_and_tags_exclude_what_they_exclude_for_chips(tmp_path, kind):
    pixels, mask = random_scene((3, 90, 70), 1), np.random.default_rng(2).random((90, 70)) < 0.8
    path = str(write_masked_tiff(tmp_path / "scene.tif", pixels, mask, kind, tag=0))
    expected = read_raster(path, [0, 1, 2], no_data_value=7)
    values, valid = read_strips(scene_of(path, 3, no_data_value=7))
    assert_array_equal(values, expected.values)
    assert_array_equal(valid[0], expected.valid.all(axis=0))
    assert_array_equal(valid[0], mask & ((pixels != 0) & (pixels != 7)).all(axis=0))


def test_nan_and_tags_of_single_layers_are_not_valid(tmp_path):
    pixels = random_scene((2, 80, 40), 3, np.float32)
    pixels[1, 5] = np.nan
    path = Path(write_scene(tmp_path / "scene.tif", pixels, no_data=None))
    write_layer_tags(path, [pixels[0, 1, 1], None])
    values, valid = read_strips(scene_of(str(path), 2))
    assert_array_equal(values, pixels)
    assert_array_equal(valid[0], (pixels[0] != pixels[0, 1, 1]) & np.isfinite(pixels[1]))


@pytest.mark.parametrize(
    "position",
    [
        {"transform": Affine(10, 0, 5e5, 0, 10, 4e6)},
        {"transform": Affine(8.5, 5, 5e5, 5, -8.5, 4e6)},
        {"crs": None},
        {"crs": None, "transform": None},
        {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 7, 0, -1e-4, 47)},
    ],
)
def test_order_and_transform_of_the_file_are_kept(tmp_path, position):
    pixels = random_scene((1, 70, 50))
    path = write_scene(tmp_path / "scene.tif", pixels, **position)
    scene = scene_of(path, 1)
    with open_raster(path) as file:
        assert scene.grid == file.info.grid
    assert_is(scene, pixels)


def test_control_points_are_carried_on(tmp_path):
    pixels = random_scene((1, 70, 50))
    path = write_scene(tmp_path / "scene.tif", pixels, transform=None, crs=None)
    points = [GroundControlPoint(row, col, 7 + col / 1e4, 47 - row / 1e4) for row, col in ((0, 0), (70, 0), (0, 50))]
    with rasterio.open(path, "r+") as file:
        file.gcps = points, rasterio.crs.CRS.from_epsg(4326)
    scene = open_scene(layers_of(path, 1) * 2, 2)
    assert len(scene.grid.control_points.points) == 3
    assert scene.grid.center_lat_lon() == pytest.approx((46.9965, 7.0025))


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "strips"]


def test_leaving_early_ends_the_threads_and_closes_the_files(tmp_path, pixels):
    path = write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS["rows"])
    for taken in range(4):
        strips = iter(strip_reader(scene_of(path, 6), slice(0, 530), slice(0, 300), threads=2))
        for _ in range(taken):
            next(strips)
        strips.close()
        assert threads() == []
    handles = [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    assert Path(path) not in handles


def test_errors_of_the_thread_reach_the_consumer(tmp_path, pixels):
    path = Path(write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS["rows"]))
    other = write_scene(tmp_path / "other.tif", pixels[:1])
    scene = open_scene([*layers_of(str(path), 2), BandSource(other)], 1)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    read = []
    with pytest.raises(RasterError, match=rf"^{path}: cannot be read as a raster"):
        read.extend(strip_reader(scene, slice(0, 530), slice(0, 300)))
    assert threads() == []
    path.unlink()
    with pytest.raises(RasterError, match=rf"^{path}: no such file"):
        read.extend(strip_reader(scene, slice(0, 530), slice(0, 300), threads=2))
    assert threads() == []
