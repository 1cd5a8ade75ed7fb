"""Results that are kept for the page."""

import io

import numpy as np
import pytest
from PIL import Image

from instageo.serving.errors import HTTPProblem
from instageo.serving.tiles import ResultCache


def decode_png(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize(("shape", "levels"), [((5, 7), 1), ((256, 256), 1), ((257, 10), 2), ((600, 1100), 4)])
def test_tiles_make_up_the_picture(tmp_path, shape, levels):
    pixels = np.random.default_rng(0).integers(0, 255, (*shape, 4), np.uint8)
    results = ResultCache(10**9, tmp_path)
    cached = results.add({"prediction": pixels}, b"map")

    def tile(level, row, column):
        return decode_png(results.read_tile(cached.name, "prediction", level, row, column))

    assert (cached.levels, cached.layers, cached.download) == (levels, ("prediction",), True)
    for level in range(levels):
        expected = pixels[:: 2**level, :: 2**level]
        rows, columns = (-(-side // 256) for side in expected.shape[:2])
        parts = [np.hstack([tile(level, row, column) for column in range(columns)]) for row in range(rows)]
        np.testing.assert_array_equal(np.vstack(parts), expected)
    assert max(expected.shape[:2]) <= 256
    assert results.read_map(cached.name) == b"map"
    for missing in (("prediction", 0, rows + 9, 0), ("prediction", levels, 0, 0), ("image", 0, 0, 0)):
        with pytest.raises(HTTPProblem, match=r"unknown result|has no tile"):
            results.read_tile(cached.name, *missing)
    for name in ("", "..", "../..", "x" * 22):
        with pytest.raises(HTTPProblem, match="unknown result"):
            results.read_tile(name, "prediction", 0, 0, 0)


def test_lower_levels_average_the_image_but_not_classes(tmp_path):
    pixels = np.zeros((300, 2, 4), np.uint8)
    pixels[::2, :, 0] = 200  # rows of 200 and 0
    pixels[..., 3] = 255
    pixels[:2, 0] = 0  # not observed: two of the first four pixels
    results = ResultCache(10**9, tmp_path)
    name = results.add({"image": pixels, "prediction": pixels}, None).name
    image, prediction = (decode_png(results.read_tile(name, layer, 1, 0, 0)) for layer in ("image", "prediction"))
    np.testing.assert_array_equal(image[1:, 0], np.tile([100, 0, 0, 255], (149, 1)))
    np.testing.assert_allclose(image[0, 0], [100, 0, 0, 128], atol=1)
    np.testing.assert_array_equal(prediction[1:, 0], np.tile([200, 0, 0, 255], (149, 1)))


def test_the_oldest_results_are_removed(tmp_path):
    pixels = np.zeros((100, 100, 4), np.uint8)
    results = ResultCache(100_000, tmp_path)  # two of 40,000 bytes
    names = [results.add({"image": pixels}, None).name for _ in range(3)]
    assert len(set(names)) == 3
    with pytest.raises(HTTPProblem):
        results.read_tile(names[0], "image", 0, 0, 0)
    assert all(results.read_tile(name, "image", 0, 0, 0) for name in names[1:])
    large = results.add({"image": np.zeros((400, 400, 4), np.uint8)}, None)
    assert results.read_tile(large.name, "image", 0, 1, 1)
    assert len(list(results.folder.iterdir())) == 1
    with pytest.raises(HTTPProblem):
        results.read_map(large.name)
