"""Bands as colours, against numbers computed by hand."""

import subprocess
import sys

import numpy as np

from instageo.model.figures import rgb
from instageo.model.figures.rgb import percentile_limits, rgb_image, stretch, stretch_percentiles

RAMP = np.arange(101.0)[None]
"""Values 0 to 100; their 2nd and 98th percentiles are 2 and 98."""


def test_limits_are_percentiles_of_valid_values():
    valid = np.ones(RAMP.shape, bool)
    assert percentile_limits(RAMP, valid) == (2, 98)
    assert percentile_limits(RAMP, valid, 0, 100) == (0, 100)
    valid[0, :50] = False
    assert percentile_limits(RAMP, valid, 0, 50) == (50, 75)
    valid[:] = False
    assert percentile_limits(RAMP, valid) == (0, 1)


def test_values_beyond_the_limits_are_clipped():
    np.testing.assert_array_equal(stretch(np.array([-1.0, 2, 4, 6, 9, np.nan]), (2, 6)), [0, 0, 0.5, 1, 1, 0])
    np.testing.assert_array_equal(stretch_percentiles(RAMP, RAMP >= 0)[0, [0, 2, 50, 98, 100]], [0, 0, 0.5, 1, 1])


def test_a_constant_band_does_not_divide_by_zero():
    assert (stretch_percentiles(np.full((2, 2), 7.0), np.ones((2, 2), bool)) == 0).all()


def test_every_band_of_an_image_is_stretched_by_itself():
    valid = np.ones(RAMP.shape, bool)
    valid[0, 0] = False
    image = rgb_image([RAMP, 10 * RAMP, -RAMP], valid, limits=[(0, 100), (0, 1000), (-100, 0)])
    assert image.shape == (1, 101, 4)
    assert image[0, [0, 20, 100]].tolist() == [[0, 0, 255, 0], [51, 51, 204, 255], [255, 255, 0, 255]]
    opaque = rgb_image([RAMP, 10 * RAMP, -RAMP], valid, no_data=(1, 2, 3))
    assert opaque.shape == (1, 101, 3)
    assert opaque[0, [0, 1, 100]].tolist() == [[1, 2, 3], [0, 0, 255], [255, 255, 0]]


def test_matplotlib_is_not_imported():
    code = f"import sys, {rgb.__name__}; print('matplotlib' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["False"]
