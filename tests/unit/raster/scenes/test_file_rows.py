from dataclasses import dataclass, field

import pytest
from numpy.testing import assert_array_equal

from instageo.raster.reading import OpenRaster, open_raster
from instageo.raster.scenes.file_rows import FileRows
from tests.scenes import random_scene, write_scene


@dataclass(frozen=True)
class RecordingRaster(OpenRaster):
    """Remembers which rows were read."""

    rows_read: list = field(default_factory=list)

    def read(self, layers=None, no_data_value=None, window=None):
        self.rows_read.append((window[0].start, window[0].stop))
        return super().read(layers, no_data_value, window)


@pytest.fixture
def pixels():
    return random_scene((3, 300, 70))


@pytest.fixture
def raster(tmp_path, pixels):
    path = write_scene(tmp_path / "scene.tif", pixels, tiled=True, blockxsize=16, blockysize=64)
    with open_raster(path) as file:
        yield RecordingRaster(path, file.source)


@pytest.mark.parametrize(
    ("requests", "rows_read"),
    [
        ([(0, 64), (64, 128), (128, 300)], [(0, 64), (64, 128), (128, 300)]),
        ([(0, 66), (62, 130), (126, 194)], [(0, 128), (128, 192), (192, 256)]),  # with a margin of two rows
        ([(0, 10), (10, 70), (64, 70), (60, 64)], [(0, 64), (64, 128), (0, 64)]),  # the last goes back
        ([(100, 101), (250, 300)], [(64, 128), (192, 300)]),
    ],
)
def test_rows_of_blocks_are_read_once_from_top_to_bottom(raster, pixels, requests, rows_read):
    rows = FileRows(raster, [2, 0], slice(5, 60))
    for start, stop in requests:
        values, valid = rows.read(start, stop)
        expected = pixels[[2, 0], start:stop, 5:60]
        assert_array_equal(values, expected)
        assert_array_equal(valid, expected != 0)
    assert raster.rows_read == rows_read


def test_values_are_those_of_reading_at_once(raster, pixels):
    values, valid = FileRows(raster, [0, 1, 2], slice(0, 70), no_data_value=int(pixels[0, 9, 9])).read(0, 300)
    expected = raster.read([0, 1, 2], int(pixels[0, 9, 9]), (slice(0, 300), slice(0, 70)))
    assert_array_equal(values, expected.values)
    assert_array_equal(valid, expected.valid)
