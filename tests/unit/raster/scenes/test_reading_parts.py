import threading
import time

import pytest
from numpy.testing import assert_array_equal

from instageo.raster.reading import open_raster
from instageo.raster.scenes import reading_parts
from instageo.raster.scenes.reading_parts import StoppableRaster
from tests.scenes import LAYOUTS, random_scene, scene_of, strip_reader, write_scene


@pytest.fixture(scope="module")
def pixels():
    return random_scene((3, 300, 530))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_give_the_pixels_and_the_grid_of_the_whole(tmp_path, pixels, layout, monkeypatch):
    path = write_scene(tmp_path / "scene.tif", pixels, **LAYOUTS[layout])
    monkeypatch.setattr(reading_parts, "PART_BYTES", 1)
    asked = []
    with open_raster(path) as file:
        parted = StoppableRaster(path, file.source, lambda: bool(asked.append(None)))
        for window in (None, (slice(40, 290), slice(3, 517)), (slice(7, 8), slice(0, 1))):
            whole, parts = (each.read([2, 0], int(pixels[0, 9, 9]), window) for each in (file, parted))
            assert_array_equal(parts.values, whole.values)
            assert_array_equal(parts.valid, whole.valid)
            assert (parts.grid, parts.bands) == (whole.grid, whole.bands)
    assert len(asked) > 3


def test_parts_are_whole_blocks(tmp_path, pixels, monkeypatch):
    """Two columns of blocks of 3 layers, 128 rows, 16 columns and 2 bytes fit."""
    path = write_scene(tmp_path / "scene.tif", pixels, tiled=True, blockxsize=16, blockysize=64)
    monkeypatch.setattr(reading_parts, "PART_BYTES", 2 * 3 * 128 * 16 * pixels.itemsize + 100)
    with open_raster(path) as file:
        windows = StoppableRaster(path, file.source)._parts(slice(64, 192), slice(20, 100), 3)
    assert windows == [(slice(64, 192), slice(*ends)) for ends in ((20, 32), (32, 64), (64, 96), (96, 100))]


def test_a_consumer_that_leaves_ends_reading_within_a_strip(tmp_path, pixels, monkeypatch):
    """The second strip is read while the first is there; each has 34 parts."""
    path = write_scene(tmp_path / "scene.tif", pixels, tiled=True, blockxsize=16, blockysize=144)
    monkeypatch.setattr(reading_parts, "PART_BYTES", 1)
    read_part, in_second_strip, num_parts = StoppableRaster._read_part, threading.Event(), []

    def read(self, *arguments):
        raster = read_part(self, *arguments)
        num_parts.append(len(num_parts))
        if len(num_parts) == 34 + 5:
            in_second_strip.set()
            while not self.is_stopped():
                time.sleep(0.001)
        return raster

    monkeypatch.setattr(StoppableRaster, "_read_part", read)
    strips = iter(strip_reader(scene_of(path, 3), slice(0, 530), slice(0, 300)))
    assert_array_equal(next(strips).values, pixels[:, :144])
    assert in_second_strip.wait(20)
    strips.close()
    assert len(num_parts) == 34 + 5
