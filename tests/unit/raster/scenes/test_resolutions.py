"""Bands and quality layers whose pixels have another size or position than those of the scene."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_allclose, assert_array_equal
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.scenes.alignment import align
from instageo.raster.scenes.scene import BandSource, open_scene
from tests.scenes import TRANSFORM, random_scene, read_strips, scene_of, write_scene

FINE = (1, 300, 210)


def grid_of(size, x=0.0, y=0.0):
    return Affine(size, 0, TRANSFORM.c + x, 0, -size, TRANSFORM.f - y)


def fine_and(tmp_path, values, transform, **settings):
    """Open a scene of a fine band, without no-data pixels, and another one."""
    blocks = {"tiled": True, "blockxsize": 64, "blockysize": 64}
    fine = write_scene(tmp_path / "fine.tif", np.ones(FINE, np.int16), **blocks)
    other = write_scene(tmp_path / "other.tif", values, transform=transform, no_data=settings.pop("no_data", 0))
    return open_scene([BandSource(fine), BandSource(other, **settings)], 1), other


def warped(path, resampling):
    """Return what GDAL warps onto the fine grid."""
    with (
        rasterio.open(path) as source,
        WarpedVRT(
            source, crs="EPSG:32633", transform=TRANSFORM, height=FINE[1], width=FINE[2], resampling=resampling
        ) as vrt,
    ):  # fmt: skip
        return vrt.read(1)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
def test_20_m_on_10_m_is_what_gdal_reads(tmp_path, dtype):
    values = np.random.default_rng(0).integers(1, 250, (1, 150, 105)).astype(dtype)
    values *= 1 if dtype == np.uint8 else -1
    scene, path = fine_and(tmp_path, values, grid_of(20), no_data=None)
    found, valid = read_strips(scene)
    with rasterio.open(path) as source:
        expected = source.read(1, out_shape=FINE[1:], resampling=Resampling.bilinear)
    assert_array_equal(found[1], expected)
    if dtype == np.uint8:  # the warper rounds halves of negative values the other way
        assert_array_equal(found[1], warped(path, Resampling.bilinear))
    assert valid.all()


def test_weights_by_hand(tmp_path):
    values = np.zeros((1, 150, 105), np.int16)
    values[0, 10, 10] = 1600
    scene, _ = fine_and(tmp_path, values, grid_of(20), no_data=None)
    found = read_strips(scene)[0][1]
    outer = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) * 100  # (1/4, 3/4) by (1/4, 3/4) of 1600
    assert_array_equal(found[19:23, 19:23], outer)
    assert found.sum() == outer.sum()


@pytest.mark.parametrize(
    ("size", "shape", "x", "y"),
    [
        (60, (50, 35), 0, 0),
        (15, (200, 140), 0, 0),
        (10, (300, 210), 3, 5),
        (20, (160, 120), -30, -50),
        (5, (600, 420), 0, 0),
    ],
)  # fmt: skip
def test_other_grids_are_what_gdal_warps(tmp_path, size, shape, x, y):
    values = np.random.default_rng(1).integers(1, 10_000, (1, *shape)).astype(np.float32)
    fine = write_scene(tmp_path / "fine.tif", np.ones(FINE, np.int16), blockysize=64)
    path = write_scene(tmp_path / "other.tif", values, transform=grid_of(size, x, y), no_data=None)
    scene = open_scene([BandSource(fine), BandSource(path)], 1, resolution=10)
    found, valid = read_strips(scene)
    inner = slice(10, -10), slice(10, -10)  # at borders GDAL treats missing neighbours in another way
    assert_allclose(found[1][inner], warped(path, Resampling.bilinear)[inner], rtol=1e-4)
    assert valid[0][inner].all()


@pytest.mark.parametrize(
    ("size", "x", "y"), [(20, 0, 0), (60, 0, 0), (10, 3, 5), (20, -30, 170), (10, 40, -70), (15, 0, 0)]
)
@pytest.mark.parametrize("resampling", ["bilinear", "nearest"])
def test_pixels_do_not_depend_on_strips_and_panels(tmp_path, size, x, y, resampling):
    values = random_scene((1, 170, 130), 4)
    scene, _ = fine_and(tmp_path, values, grid_of(size, x, y), resampling=resampling)
    found, valid = read_strips(scene)
    for rows, columns in (
        (slice(0, 300), slice(90, 210)),
        (slice(131, 300), slice(0, 91)),
        (slice(77, 78), slice(33, 34)),
    ):
        for threads in (1, 2):
            part, part_valid = read_strips(scene, rows, columns, threads)
            assert_array_equal(part, found[:, rows, columns])
            assert_array_equal(part_valid, valid[:, rows, columns])
    assert valid.any()


def test_coarser_pixels_do_not_depend_on_strips_and_panels(tmp_path):
    scene = scene_of(write_scene(tmp_path / "fine.tif", random_scene((1, 300, 210), 4), blockysize=3), 1, resolution=25)
    found, valid = read_strips(scene)
    assert found.shape == (1, 120, 84)
    rows, columns = slice(45, 111), slice(7, 30)
    part, part_valid = read_strips(scene, rows, columns)
    assert_array_equal(part, found[:, rows, columns])
    assert_array_equal(part_valid, valid[:, rows, columns])


def test_invalid_pixels_have_no_weight(tmp_path):
    values = np.full((1, 150, 105), 1000, np.int16)
    values[0, 50:60, 40:50] = 0
    scene, _ = fine_and(tmp_path, values, grid_of(20))
    found, valid = read_strips(scene)
    expected = np.ones(FINE[1:], bool)
    expected[100:120, 80:100] = False
    assert_array_equal(valid[0], expected)  # of each pixel of 20 m all four
    assert (found[1][valid[0]] == 1000).all()  # without a dark rim


def test_nearest_repeats_pixels(tmp_path):
    values = random_scene((1, 150, 105), 5)
    scene, _ = fine_and(tmp_path, values, grid_of(20), resampling="nearest")
    found, valid = read_strips(scene)
    expected = values[0].repeat(2, 0).repeat(2, 1)
    assert_array_equal(found[1], expected)
    assert_array_equal(valid[0], expected != 0)


def test_a_file_of_another_extent_is_valid_where_it_is(tmp_path):
    values = np.arange(1, 170 * 130 + 1, dtype=np.int32).reshape(1, 170, 130)
    scene, _ = fine_and(tmp_path, values, grid_of(10, -40, 70))
    found, valid = read_strips(scene)
    assert scene.dtype == "int32"
    expected = np.zeros(FINE[1:], bool)
    expected[7:177, :126] = True
    assert_array_equal(valid[0], expected)
    assert_array_equal(found[1][expected], values[0, :, 4:].ravel())
    part, part_valid = read_strips(scene, slice(200, 300), slice(130, 210))
    assert not part_valid.any()
    assert (part[0] == 1).all()


def test_a_file_that_runs_northwards(tmp_path):
    values = random_scene((1, 300, 210), 6)
    scene, _ = fine_and(tmp_path, values[:, ::-1], Affine(10, 0, TRANSFORM.c, 0, 10, TRANSFORM.f - 3000))
    found, valid = read_strips(scene)
    assert_array_equal(found[1][valid[0]], values[0][values[0] != 0])
    assert_array_equal(valid[0], values[0] != 0)


def test_a_chosen_resolution_keeps_the_corner(tmp_path):
    values = np.repeat(np.repeat(np.arange(1, 151, dtype=np.int16)[:, None], 2, 0), 211, 1)[None]
    path = write_scene(tmp_path / "fine.tif", values, blockysize=64)
    scene = scene_of(path, 1, resolution=20)
    assert scene.grid.shape == (150, 105)  # of 105.5 columns
    assert scene.grid.transform == grid_of(20)
    assert scene.block_shape == (32, 105)
    found, valid = read_strips(scene)
    assert valid.all()
    # triangle of 2 pixels to both sides: the pixel's own two rows have 3/4 of the weight, its neighbours 1/8 each
    assert_array_equal(found[0, 1:-1], np.repeat(np.arange(2, 150)[:, None], 105, 1))
    fine = scene_of(path, 1, resolution=5)
    assert fine.grid.shape == (600, 422)
    assert read_strips(fine)[1].all()


def test_a_file_whose_pixels_are_without_number_in_one_of_the_scene_is_refused():
    """300 pixels of 1e154 m hold 2e310 of 1e-154 m, more than the largest number."""
    crs = CRS.from_epsg(32633).to_wkt()
    scene, own = (Grid(crs, Affine(size, 0, 0, 0, -size, 0), 300, 210) for size in (1e154, 1.5e-154))
    with pytest.raises(RasterError, match=r"own\.tif: is rotated against scene\.tif"):
        align(scene, own, "own.tif", "scene.tif")
