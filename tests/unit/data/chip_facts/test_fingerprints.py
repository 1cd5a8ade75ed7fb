"""Fingerprints: equal for equal pixels, and for ground that two chips share."""

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from instageo.data.chip_facts.fingerprints import WINDOW, find_anchors, hash_pixels, look_of, shrink

RNG = np.random.default_rng(11)

GROUND = RNG.integers(0, 3000, (2, 300, 300)).astype(np.int16)

EVERYWHERE = np.ones((100, 100), bool)


def test_the_hash_is_that_of_shape_type_and_values():
    values = np.arange(12, dtype="<i2").reshape(1, 3, 4)
    expected = xxhash.xxh3_128(b"(1, 3, 4) <i2" + values.tobytes()).digest()
    assert hash_pixels(values, np.ones(values.shape, bool)) == expected


def test_values_of_invalid_pixels_do_not_count_but_their_places_do():
    values, valid = GROUND[:, :20, :20].copy(), np.ones((2, 20, 20), bool)
    valid[:, 0] = False
    before = hash_pixels(values, valid)
    values[:, 0] = -9999
    assert hash_pixels(values, valid) == before
    valid[:, 1] = False
    assert hash_pixels(values, valid) != before


@pytest.mark.parametrize("height", [4, 32, 33, 63, 64, 96, 224, 256, 288, 512])
def test_sums_of_cells_are_those_of_numpy_to_the_last_bit(height):
    """Hashes of chips would change with another order of the additions."""
    image = np.random.default_rng(height).normal(1500, 300, (height, 70)).astype(np.float32)
    rows = np.repeat(image, 8, axis=0) if height == 4 else image
    starts = np.arange(32) * len(rows) // 32
    counts = np.diff(np.append(starts, len(rows))).astype(np.float32)
    expected = np.add.reduceat(rows, starts, axis=0) / counts[:, None]
    np.testing.assert_array_equal(shrink(image, 32, 70), expected)


def test_shrinking_returns_the_means_of_cells():
    image = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(shrink(image, 2, 2), [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_allclose(shrink(image, 2, 4), [[2, 3, 4, 5], [10, 11, 12, 13]])
    assert shrink(image, 8, 9).shape == (8, 9)


def test_an_image_that_grows_brighter_to_the_right_has_all_bits():
    ramp = np.tile(np.arange(72, dtype=np.float32), (64, 1))
    assert look_of(ramp)[0] == 2**64 - 1
    assert look_of(-ramp)[0] == 0
    assert look_of(np.full((64, 64), 7, np.float32))[0] is None


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(-50, 50), columns=st.integers(-50, 50))
def test_shared_ground_has_shared_anchors(rows, columns):
    one, other = (
        find_anchors(GROUND[:, top : top + 100, left : left + 100], EVERYWHERE)
        for top, left in ((100, 100), (100 + rows, 100 + columns))
    )
    _, first, second = np.intersect1d(one.hashes, other.hashes, return_indices=True)
    assert len(first) >= 20  # of 256 at most, a quarter of the ground is shared at least
    assert set(one.rows[first] - other.rows[second]) == {rows}
    assert set(one.columns[first] - other.columns[second]) == {columns}


def test_other_ground_shares_no_anchor():
    one, other = (find_anchors(GROUND[:, :100, left : left + 100], EVERYWHERE) for left in (0, 150))
    assert not set(one.hashes.tolist()) & set(other.hashes.tolist())


def test_windows_that_repeat_or_touch_invalid_pixels_are_no_anchors():
    flat = np.zeros((1, 50, 50), np.int16)
    assert len(find_anchors(flat, np.ones((50, 50), bool)).hashes) == 0
    valid = np.ones((100, 100), bool)
    valid[:, 40:] = False
    found = find_anchors(GROUND[:, :100, :100], valid)
    assert len(found.hashes) > 50
    assert found.columns.max() == pytest.approx(40 - WINDOW, abs=3)
    assert len(find_anchors(GROUND[:, :4, :4], valid[:4, :4]).hashes) == 0
