"""Tiles cover every pixel of an image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instageo.model.inference.tiling import Tiling, compute_tile_starts, default_overlap


@pytest.mark.parametrize(
    ("length", "tile", "stride", "expected"),
    [
        (1, 4, 2, [0]),
        (4, 4, 2, [0]),
        (5, 4, 2, [0, 1]),
        (8, 4, 4, [0, 4]),
        (9, 4, 4, [0, 4, 5]),
        (10, 4, 3, [0, 3, 6]),
        (256, 224, 112, [0, 32]),  # pitfall 20: 224 of 256 alone are 76 % of the pixels
    ],
)
def test_tile_starts(length, tile, stride, expected):
    assert compute_tile_starts(length, tile, stride) == expected


sizes = st.integers(1, 30)


@given(sizes, sizes, st.data())
def test_tile_starts_cover_the_length(length, tile, data):  # pitfall 20
    stride = data.draw(st.integers(1, tile))
    first = compute_tile_starts(length, tile, stride)
    covered = {pixel for start in first for pixel in range(start, min(start + tile, length))}
    assert covered == set(range(length))
    assert len(set(first)) == len(first)
    assert max(np.diff(first), default=0) <= stride
    assert first[-1] + tile == length or first == [0]


@pytest.mark.parametrize(
    ("tile", "expected"),
    [(1, 0), (16, 8), (32, 16), (64, 16), (112, 16), (224, 16), (256, 16), (384, 24), (512, 32), (100, 16)],
)
def test_a_sixteenth_of_a_tile_overlaps_but_at_least_16_pixels(tile, expected):
    assert default_overlap(tile) == expected


@pytest.mark.parametrize(("tile", "stride"), [(4, 5), (4, 0), (4, -1), (0, 0)])
def test_gaps_are_refused(tile, stride):
    with pytest.raises(ValueError, match=f"stride {stride} is not in 1..{tile}"):
        Tiling(tile, stride)


def test_tiles_of_eight_are_predicted_at_a_time_unless_told():
    assert Tiling(1, 1).batch_size == 8
