import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal
from scipy.ndimage import binary_dilation

from instageo.products.quality_flags import FMASK, QA_PIXEL, SCL
from instageo.raster.scenes.scene import BandSource, QualitySource, open_scene
from tests.scenes import read_strips, write_scene

SHAPE = (150, 130)


def scene_with(tmp_path, *layers, num_dates=1, size=10, flags=FMASK, names=("cloud",), dilation=0.0):
    band = write_scene(tmp_path / "band.tif", np.ones((1, *SHAPE), np.int16), blockysize=1)
    quality = [
        QualitySource(
            write_scene(
                tmp_path / f"q{number}.tif", layer[np.newaxis], transform=Affine(size, 0, 5e5, 0, -size, 4e6),
                no_data=None, blockysize=5,
            ),
            flags, names, dilation,
        )
        for number, layer in enumerate(layers)
    ]  # fmt: skip
    quality += [None] * (num_dates - len(quality))
    return open_scene([BandSource(band)] * num_dates, num_dates, quality=quality)


def clouds(share, shape=SHAPE):
    return np.random.default_rng(0).random(shape) < share


def disk(radius):
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return y * y + x * x <= radius * radius


def test_flags_and_missing_data_of_each_date(tmp_path):
    layer = np.zeros(SHAPE, np.uint8)
    layer[3, 4], layer[100, 5], layer[7, 8] = 0b10, 0b1000, 255  # cloud, shadow, no data
    _, valid = read_strips(scene_with(tmp_path, layer, num_dates=2))
    expected = np.ones((2, *SHAPE), bool)
    expected[0, 3, 4] = expected[0, 7, 8] = False
    assert_array_equal(valid, expected)


@pytest.mark.parametrize("radius", [1, 2.5, 9])
def test_dilation_does_not_depend_on_strips_and_panels(tmp_path, radius):
    marked = clouds(0.002)
    scene = scene_with(tmp_path, np.where(marked, 0b10, 0).astype(np.uint8), dilation=radius)
    assert scene.strip_rows == 64
    _, valid = read_strips(scene)
    assert_array_equal(valid[0], ~binary_dilation(marked, disk(radius)))
    rows, columns = slice(63, 150), slice(40, 97)
    for threads in (1, 2):
        assert_array_equal(read_strips(scene, rows, columns, threads)[1], valid[:, rows, columns])


def test_a_layer_of_20_m_grows_by_pixels_of_the_scene(tmp_path):
    marked = clouds(0.005, (75, 65))
    scene = scene_with(tmp_path, np.where(marked, 9, 4).astype(np.uint8), size=20, flags=SCL, dilation=3)
    fine = marked.repeat(2, 0).repeat(2, 1)
    assert_array_equal(read_strips(scene)[1][0], ~binary_dilation(fine, disk(3)))


def test_pixels_without_data_do_not_grow(tmp_path):
    layer = np.full(SHAPE, 1 << 6, np.uint16)
    layer[50, 50], layer[90, 90] = 1, 1 << 3  # fill, cloud
    _, valid = read_strips(scene_with(tmp_path, layer, flags=QA_PIXEL, dilation=1))
    assert (~valid).sum() == 1 + 5


def test_nothing_is_known_beyond_the_quality_layer(tmp_path):
    layer = np.zeros((100, 90), np.int32)  # a type whose values are not looked up in a table
    layer[10, 10] = 0b10
    _, valid = read_strips(scene_with(tmp_path, layer, dilation=2))
    expected = np.zeros(SHAPE, bool)
    expected[:100, :90] = True
    expected[8:13, 8:13] &= ~disk(2)
    assert_array_equal(valid[0], expected)
