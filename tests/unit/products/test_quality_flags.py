import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.ndimage import distance_transform_edt

from instageo.errors import ConfigError
from instageo.products.quality_flags import (
    FMASK,
    NO_DATA,
    QA_PIXEL,
    QUALITY_CODES,
    QUALITY_FLAGS,
    SCL,
    Flag,
    check_flags,
    dilate,
    marked,
    without_data,
)
from instageo.sensors import SENSORS


def test_fmask_bits():  # pitfall 67
    layer = np.array([[0b10, 0b100, 0b1000, 0b10000, 0b100000, 0b1000000, 255]], np.uint8)
    assert_array_equal(marked(layer, ["cloud"], FMASK), [[1, 0, 0, 0, 0, 0, 0]])
    assert_array_equal(marked(layer, ["adjacent", "shadow"], FMASK), [[0, 1, 1, 0, 0, 0, 0]])
    assert_array_equal(marked(layer, ["snow", "water"], FMASK), [[0, 0, 0, 1, 1, 0, 0]])
    assert_array_equal(without_data(layer, FMASK), [[0, 0, 0, 0, 0, 0, 1]])


def test_scl_classes():
    layer = np.arange(12, dtype=np.uint8)[np.newaxis]
    assert np.flatnonzero(marked(layer, ["cloud"], SCL)).tolist() == [8, 9]
    assert np.flatnonzero(marked(layer, ["shadow", "cirrus", "snow", "water", "saturated"], SCL)).tolist() == [
        1, 3, 6, 10, 11,
    ]  # fmt: skip


def test_landsat_bits():
    layer = np.array([[1, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 7]], np.uint16)
    names = ["adjacent", "cirrus", "cloud", "shadow", "snow", "water"]
    found = [np.flatnonzero(marked(layer, [name], QA_PIXEL)).tolist() for name in names]
    assert found == [[1], [2], [3], [4], [5], [6]]


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint16", "int16", "int32", "float32"])
def test_flags_mean_the_same_in_every_type(kind):
    layer = np.arange(128).astype(kind)[np.newaxis]
    flag = Flag(bits=0b1000010, values=(9, 255))
    expected = [value & 0b1000010 > 0 or value == 9 for value in range(128)]
    assert_array_equal(flag.marks(layer)[0], expected)
    negative = np.array([[-1, -128]]).astype(kind) if np.dtype(kind).kind != "u" else np.array([[255, 128]], kind)
    assert_array_equal(Flag(bits=1 << 7).marks(negative), [[True, True]])
    assert not Flag(bits=1 << 20, values=(1000, -5)).marks(layer).any()


def test_a_pixel_grows_to_a_disk_of_13():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert dilate(mask, 60 / 30).sum() == 13
    assert dilate(mask, 0).sum() == 1
    assert dilate(mask, 1).sum() == 5


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3), (37, 41)])
@pytest.mark.parametrize("radius", [1, 1.4142135623730951, 2.5, 5, 11.3, 60])
def test_masks_grow_as_far_as_the_distance_transform_says(shape, radius):
    mask = np.random.default_rng(0).random(shape) < 0.02
    mask[0, 0] = True
    assert_array_equal(dilate(mask, radius), distance_transform_edt(~mask) <= radius + 1e-9)


def test_a_flag_that_a_product_cannot_tell_is_refused():
    with pytest.raises(ConfigError, match="mask: hls has no flag cirrus; its quality layer has cloud, adjacent"):
        check_flags(["cirrus"], FMASK, "hls")
    with pytest.raises(ConfigError, match="sentinel1 has no flag cloud; it has no quality layer"):
        check_flags(["cloud"], {}, "sentinel1")
    assert check_flags(["cloud_shadow", "near_cloud_or_shadow"], FMASK, "hls") == ("shadow", "adjacent")


def test_tables_by_sensor_name_sensors_and_each_says_what_has_no_data():
    assert set(QUALITY_FLAGS) == set(QUALITY_CODES) <= set(SENSORS)
    assert all(NO_DATA in flags and "cloud" in flags for flags in QUALITY_FLAGS.values())
    assert QUALITY_CODES["landsat9_c2"] == "QA_PIXEL"
    assert QUALITY_FLAGS["hls_l30"] is FMASK
