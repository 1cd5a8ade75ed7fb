"""Pixels of chips, read from one file."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.errors import RasterError, WindowOutsideError
from instageo.raster.chip_windows import window_reading
from instageo.raster.chip_windows.window_reading import read_chip_windows
from instageo.raster.chip_windows.windows import place_window
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt

UTM32 = crs_wkt("EPSG:32632")
NORTH_UP = Affine(30, 0, 600_000, 0, -30, 5_000_000)
PIXELS = np.add.outer(100 * np.arange(96), np.arange(80)).astype(np.int16)
"""The value of a pixel is 100 times its row plus its column."""


def write(path, *, south_up=False, driver="GTiff", **options):
    transform = Affine(30, 0, 600_000, 0, 30, 5_000_000 - 96 * 30) if south_up else NORTH_UP
    values = PIXELS[::-1] if south_up else PIXELS
    layout = {"tiled": True, "blockxsize": 32, "blockysize": 32} if driver == "GTiff" else {}
    with rasterio.open(
        path, "w", driver=driver, count=1, height=96, width=80, dtype="int16", crs="EPSG:32632", transform=transform,
        **layout, **options,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return str(path)


def chip(row, column, side=10):
    return Grid(UTM32, NORTH_UP, 96, 80).window(row, column, side, side)


@pytest.mark.parametrize(
    "options",
    [{}, {"south_up": True}, {"compress": "deflate"}, {"driver": "JP2OpenJPEG", "reversible": "YES", "quality": "100"}],
)
def test_every_pixel_is_the_one_of_the_file(tmp_path, options):
    location = write(tmp_path / ("tile.jp2" if "driver" in options else "tile.tif"), **options)
    grids = [chip(3, 5), chip(28, 30), chip(86, 70)]
    file = read_chip_windows(location, grids)
    for values, valid, (row, column) in zip(file.values, file.valid, [(3, 5), (28, 30), (86, 70)], strict=True):
        assert_array_equal(values, PIXELS[row : row + 10, column : column + 10])
        assert valid.all()
        assert values.dtype == np.int16


def test_no_data_and_tags_come_with_the_pixels(tmp_path):
    location = write(tmp_path / "tile.tif", nodata=305)
    with rasterio.open(location, "r+") as file:
        file.scales, file.offsets = (0.0001,), (-0.1,)
    found = read_chip_windows(location, [chip(3, 5)])
    assert not found.valid[0][0, 0]
    assert found.valid[0].sum() == 99
    assert (found.no_data_value, found.scale, found.offset) == (305, 0.0001, -0.1)
    assert found.block_shape == (32, 32)


def test_beyond_the_file_there_is_no_data_if_that_is_allowed(tmp_path):
    location = write(tmp_path / "tile.tif", nodata=-9999)
    beyond = chip(92, 76)  # 4 x 4 of its 10 x 10 pixels lie inside
    with pytest.raises(WindowOutsideError, match=r"tile\.tif"):
        read_chip_windows(location, [beyond])
    found = read_chip_windows(location, [beyond, chip(200, 0)], partial=True)
    assert_array_equal(found.values[0][:4, :4], PIXELS[92:, 76:])
    assert found.valid[0].sum() == 16
    assert (found.values[0] == -9999).sum() == 84
    assert not found.valid[1].any()


def test_beyond_a_south_up_file_there_is_no_data_on_the_same_side(tmp_path):
    found = read_chip_windows(write(tmp_path / "tile.tif", south_up=True, nodata=-9999), [chip(92, 76)], partial=True)
    assert_array_equal(found.values[0][:4, :4], PIXELS[92:, 76:])
    assert found.valid[0][:4, :4].all()
    assert found.valid[0].sum() == 16


def test_windows_are_placed_once_for_the_files_of_a_scene(tmp_path, monkeypatch):
    places = []
    monkeypatch.setattr(
        window_reading,
        "place_window",
        lambda *grids, **options: places.append(grids) or place_window(*grids, **options),
    )
    grids = [chip(7, 11), chip(40, 50), chip(60, 3)]
    locations = [write(tmp_path / f"{number}.tif") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for file in pool.map(lambda location: read_chip_windows(location, grids), locations):
            assert_array_equal(file.values[1], PIXELS[40:50, 50:60])
    assert len(places) == 3


def test_a_window_does_not_hold_the_pixels_that_were_read_with_it(tmp_path):
    [values, other] = read_chip_windows(write(tmp_path / "tile.tif"), [chip(3, 5), chip(4, 6)]).values
    assert values.base is None
    assert other.base is None


def test_masks_of_the_file_count(tmp_path):
    location = write(tmp_path / "tile.tif")
    mask = np.ones((96, 80), dtype=bool)
    mask[3, 5:8] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(location, "r+") as file:
        file.write_mask(mask)
    assert read_chip_windows(location, [chip(3, 5)]).valid[0].sum() == 97


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            {"width": 16384, "height": 16384, "count": 1, "blockxsize": 16384, "blockysize": 16384},
            "has blocks of 16384 x 16384 pixels and 1 layer, 537 MB; expected at most 268 MB",
        ),
        (
            {"width": 512, "height": 512, "count": 600, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"},
            "has blocks of 512 x 512 pixels and 600 layers, 315 MB; expected at most 268 MB",
        ),
    ],
)
def test_a_small_file_with_huge_blocks_is_refused(tmp_path, layout, message):
    """The blocks are not in the file, so that it takes kilobytes on the disk, and hundreds of MB when it is read."""
    path = tmp_path / "tile.tif"
    options = layout | {"tiled": True, "compress": "deflate", "SPARSE_OK": True}
    with rasterio.open(path, "w", driver="GTiff", dtype="int16", crs="EPSG:32632", transform=NORTH_UP, **options):
        pass
    assert path.stat().st_size < 10_000
    with pytest.raises(RasterError, match=message):
        read_chip_windows(str(path), [chip(0, 0)])
