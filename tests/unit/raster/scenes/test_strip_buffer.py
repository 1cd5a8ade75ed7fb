import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.raster.scenes.strip_buffer import StripBuffer
from instageo.raster.scenes.strips import Strip

VALUES = np.arange(2 * 30 * 8).reshape(2, 30, 8)
VALID = VALUES[:1] % 3 > 0


def strip(start, stop, column=5):
    return Strip(100 + start, VALUES[:, start:stop], VALID[:, start:stop], column)


@pytest.fixture
def buffer():
    result = StripBuffer()
    for start, stop in ((0, 10), (10, 12), (12, 30)):
        result.append(strip(start, stop))
    return result


@pytest.mark.parametrize("rows", [(100, 130), (109, 113), (110, 112), (129, 130)])
def test_windows_across_strips(buffer, rows):
    values, valid = buffer.window(slice(*rows), slice(6, 10))
    inside = slice(None), slice(rows[0] - 100, rows[1] - 100), slice(1, 5)
    assert_array_equal(values, VALUES[inside])
    assert_array_equal(valid, VALID[inside])


def test_strips_above_a_row_are_forgotten(buffer):
    buffer.drop_before(109)
    assert buffer.rows == slice(100, 130)
    buffer.drop_before(111)
    assert buffer.rows == slice(110, 130)
    with pytest.raises(
        ValueError, match="rows 109 to 111, columns 5 to 13 are requested, but there are rows 110 to 130"
    ):
        buffer.window(slice(109, 111), slice(5, 13))
    buffer.drop_before(1000)
    assert buffer.rows == slice(0, 0)
    buffer.append(strip(7, 9))
    assert buffer.rows == slice(107, 109)


@pytest.mark.parametrize("columns", [(4, 8), (5, 14), (6, 6)])
def test_columns_that_are_not_there(buffer, columns):
    with pytest.raises(ValueError, match="but there are rows 100 to 130, columns 5 to 13"):
        buffer.window(slice(100, 110), slice(*columns))


def test_strips_follow_one_another(buffer):
    with pytest.raises(ValueError, match="a strip at row 128, column 5 cannot follow one that ends at row 130"):
        buffer.append(strip(28, 30))
    with pytest.raises(ValueError, match="there are rows 0 to 0"):
        StripBuffer().window(slice(0, 1), slice(0, 1))
