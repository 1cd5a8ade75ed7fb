import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instageo.raster.scenes.axis_map import AxisMap


def test_two_neighbours_of_pixels_of_twice_the_size():
    taps = AxisMap(0.5, 0.0, 3).taps(0, 6, nearest=False)
    assert_array_equal(taps.index, [[0, 0], [0, 1], [0, 1], [1, 2], [1, 2], [2, 2]])
    assert_array_equal(taps.weights[1:5], [[0.75, 0.25], [0.25, 0.75], [0.75, 0.25], [0.25, 0.75]])
    assert taps.inside.all()
    assert taps.span == slice(0, 3)


def test_weights_reach_over_smaller_pixels():
    taps = AxisMap(2.0, 0.0, 12).taps(2, 3, nearest=False)  # centre 5, between pixels 4 and 5
    assert_array_equal(taps.index, [[3, 4, 5, 6]])
    assert_allclose(taps.weights, [[0.125, 0.375, 0.375, 0.125]])


def test_nearest_pixels_and_what_lies_outside():
    taps = AxisMap(1.0, -2.0, 3).taps(0, 7, nearest=True)
    assert_array_equal(taps.index[:, 0], [0, 0, 0, 1, 2, 2, 2])
    assert_array_equal(taps.inside, [False, False, True, True, True, False, False])


@pytest.mark.parametrize(("ratio", "offset"), [(0.5, 0), (1 / 3, -4), (2.5, 1.25), (-0.5, 40), (1, 0.5)])
def test_taps_of_a_part_are_those_of_the_whole(ratio, offset):
    axis = AxisMap(ratio, offset, 40)
    for nearest in (True, False):
        whole, part = axis.taps(0, 100, nearest=nearest), axis.taps(31, 57, nearest=nearest)
        assert_array_equal(part.index, whole.index[31:57])
        assert_array_equal(part.weights, whole.weights[31:57])
        assert_allclose(whole.weights.sum(axis=1), 1)
        assert np.isin(whole.index, range(40)).all()


@pytest.mark.parametrize(
    ("ratio", "offset", "shift"), [(1, 3, 3), (1, -3, -3), (1, 0.5, None), (0.5, 0, None), (-1, 9, None)]
)
def test_shifts(ratio, offset, shift):
    assert AxisMap(ratio, offset, 9).shift == shift


@pytest.mark.parametrize(("offset", "expected"), [(-10, False), (-9.5, True), (0, True), (19, True), (20, False)])
def test_overlap(offset, expected):
    assert AxisMap(1.0, offset, 20).overlaps(10) is expected
