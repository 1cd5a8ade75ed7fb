import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal

from instageo.data.reading.asset_windows import asset_window
from instageo.errors import RasterError
from instageo.raster.grid import Grid

TEN = Grid(None, Affine(10, 0, 600000, 0, -10, 4900020), 1200, 1200)
TWENTY = Grid(None, Affine(20, 0, 600000, 0, -20, 4900020), 600, 600)


def test_equal_pixels_are_read_as_they_are():
    window = asset_window(TEN.window(30, 40, 5, 6), TEN)
    assert window.grid == TEN.window(30, 40, 5, 6)
    values = np.arange(30).reshape(5, 6)
    assert_array_equal(window.on_chip(values), values)


def test_larger_pixels_are_repeated_at_their_place():
    window = asset_window(TEN.window(31, 40, 4, 3), TWENTY)  # rows 31..34 lie in rows 15..17, columns 40..42 in 20..21
    assert window.grid == TWENTY.window(15, 20, 3, 2)
    on_chip = window.on_chip(np.array([[1, 2], [3, 4], [5, 6]]))
    assert_array_equal(on_chip, [[1, 1, 2], [3, 3, 4], [3, 3, 4], [5, 5, 6]])


def test_a_margin_ends_at_the_edge_of_the_file():
    window = asset_window(TEN.window(0, 100, 4, 4), TWENTY, margin_m=30)  # 2 pixels of 20 m
    assert window.grid == TWENTY.window(0, 48, 4, 6)
    values = np.arange(24).reshape(4, 6)
    assert_array_equal(window.on_chip(values), [[2, 2, 3, 3], [2, 2, 3, 3], [8, 8, 9, 9], [8, 8, 9, 9]])


@pytest.mark.parametrize(
    "file",
    [
        Grid(None, Affine(10, 0, 600005, 0, -10, 4900020), 1200, 1200),  # half a pixel off
        Grid(None, Affine(15, 0, 600000, 0, -15, 4900020), 1200, 1200),  # one and a half pixels
        Grid(None, Affine(5, 0, 600000, 0, -5, 4900020), 1200, 1200),  # smaller pixels
    ],
)
def test_pixels_that_would_need_interpolation_are_refused(file):  # pitfalls 40, 41
    with pytest.raises(RasterError, match="do not fit those of the chip"):
        asset_window(TEN.window(30, 40, 224, 224), file)
