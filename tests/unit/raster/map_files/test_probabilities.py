"""Probabilities in one byte."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from instageo.raster.map_files.probabilities import NO_PROBABILITY, PROBABILITY_SCALE, encode_probabilities


def decode_probabilities(encoded):
    """Return the probabilities of stored values, NaN where they are missing."""
    return np.where(encoded == NO_PROBABILITY, np.nan, encoded.astype(np.float32) / 254)


def test_probabilities_that_can_be_computed_by_hand():
    probabilities = np.array([[[0, 1, 0.5, 0.002, 0.00196, np.nan]]], np.float32)
    valid = np.array([[True] * 5 + [False]])
    encoded = encode_probabilities(probabilities, valid)
    assert encoded.dtype == np.uint8
    assert encoded.tolist() == [[[0, 254, 127, 1, 0, 255]]]
    assert_allclose(decode_probabilities(encoded), [[[0, 1, 0.5, 1 / 254, 0, np.nan]]], rtol=1e-6)


def test_errors_are_at_most_half_a_step_and_not_to_one_side():
    probabilities = np.random.default_rng(0).random((3, 200, 200), np.float32)
    valid = np.ones((200, 200), bool)
    valid[:20] = False
    encoded = encode_probabilities(probabilities, valid)
    assert (encoded[:, :20] == 255).all()
    errors = encoded[:, 20:] * PROBABILITY_SCALE - probabilities[:, 20:].astype(np.float64)
    assert abs(errors).max() <= 0.5 / 254 + 1e-7
    assert abs(errors.mean()) < 1e-5
    decoded = decode_probabilities(encoded)
    assert decoded.dtype == np.float32
    assert_array_equal(np.isnan(decoded), np.broadcast_to(~valid, decoded.shape))
