"""Shares of overlapping footprints, and groups of chips."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instageo.data.cleaning.duplicate_checks import near_pairs
from instageo.data.cleaning.finding import Shared
from instageo.data.cleaning.groups import find_groups, locate
from instageo.data.cleaning.overlap_check import overlap_shares


def square(longitude, latitude, side=0.1):
    """Return the corners of a square in degrees, from its upper left one."""
    return np.array([[longitude, latitude], [longitude + side, latitude],
                     [longitude + side, latitude - side], [longitude, latitude - side]])  # fmt: skip


@pytest.mark.parametrize(("first", "second", "share"), [
    (square(10, 50), square(10, 50), 1.0),
    (square(10, 50), square(10.05, 50), 0.5),
    (square(10, 50), square(10.05, 49.95), 0.25),
    (square(10, 50), square(10.1, 50), 0.0),  # neighbours
    (square(10, 50), square(10, 50, 0.05), 1.0),  # of the smaller one
    (square(179.95, 0), square(-180, 0), 0.5),  # across the antimeridian
    (square(10, 50), square(10.02, 50)[[2, 3, 0, 1]], 0.8),  # south-up
])  # fmt: skip
def test_the_overlap_is_a_share_of_the_smaller_chip(first, second, share):
    assert overlap_shares(first[None], second[None]) == pytest.approx([share], abs=1e-4)


def test_flat_footprints_overlap_nothing():
    flat = np.zeros((1, 4, 2))
    assert overlap_shares(flat, flat) == [0]


def test_chips_that_are_joined_by_others_form_one_group():
    assert find_groups([(4, 1), (1, 3), (0, 2)], 6) == [0, 1, 0, 1, 1, 5]


def test_chips_are_placed_in_their_component():
    pairs = [Shared(0, 1, 0.5, (0, 40)), Shared(1, 3, 0.1, (-30, 20)), Shared(2, 4, 1.0, None)]
    assert locate(pairs, 5) == [(0, 30, 0), (0, 30, 40), (2, 0, 0), (0, 0, 60), (4, 0, 0)]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=12), st.integers(0, 63), st.integers(0, 63))
def test_pairs_of_hashes_are_those_of_a_comparison_of_all(hashes, bit, other):
    hashes = [*hashes, hashes[0] ^ (1 << bit), hashes[1] ^ (1 << bit) ^ (1 << other)]
    expected = [(one, two) for one in range(len(hashes)) for two in range(one + 1, len(hashes))
                if (hashes[one] ^ hashes[two]).bit_count() <= 2]  # fmt: skip
    assert list(near_pairs(np.array(hashes, np.uint64), 2)) == expected
