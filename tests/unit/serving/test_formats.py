"""Pictures of images and predictions."""

import numpy as np

from instageo.model.tasks.predictions import RegressionPrediction
from instageo.serving.formats import describe_color_ramp, encode_png, render_image, render_prediction


def test_pictures_are_small_and_transparent_where_nothing_was_observed():
    valid = np.ones((3000, 10), dtype=bool)
    valid[0] = False
    values = np.linspace(0, 1, 30_000, dtype=np.float32).reshape(3000, 10)
    pixels = render_prediction(None, RegressionPrediction(values, valid))
    assert pixels.shape == (3000, 10, 4)
    assert (pixels[0, :, 3] == 0).all()
    assert tuple(pixels[-1, -1]) == (253, 231, 37, 255)
    assert int.from_bytes(encode_png(pixels)[20:24], "big") == 1000  # every third row
    image = render_image(np.zeros((2, 1, 4, 4), np.float32), np.zeros((1, 4, 4), bool), ("GREEN", "RED"))
    assert (image[..., 3] == 0).all()


def test_radar_is_drawn_in_colours():
    decibels = np.array([[-20, -15, -10, -5], [-26, -22, -18, -6]], np.float32)[:, None, None]
    colors = render_image(decibels, np.ones((1, 1, 4), bool), ("VV", "VH"))
    assert colors[0, 0].tolist()[:2] == [0, 0]  # the darkest of both
    assert colors[0, 3].tolist()[:3] == [255, 255, 0]  # the brightest of both, with the smallest ratio, 1 dB


def test_the_colour_ramp_of_a_regression():
    values, valid = np.arange(101, dtype=np.float32)[None], np.ones((1, 101), bool)
    ramp = describe_color_ramp(RegressionPrediction(values, valid))
    assert (ramp["low"], ramp["high"]) == (2, 98)
    assert (ramp["colors"][0], ramp["colors"][-1]) == ("#440154", "#fde725")
    assert describe_color_ramp(RegressionPrediction(values, ~valid))["high"] == 1
