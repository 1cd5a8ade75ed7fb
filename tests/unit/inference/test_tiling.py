"""Tiles cover every pixel; how much each counts falls towards its neighbours and not at the border of the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.model.inference.tiling import TileAxis, Tiling, compute_ramp, compute_tile_starts, default_overlap


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


def test_a_ramp_rises_over_the_overlap():
    assert compute_ramp(5, 2, True, True).tolist() == [0.25, 0.75, 1, 0.75, 0.25]
    assert compute_ramp(5, 2, False, True).tolist() == [1, 1, 1, 0.75, 0.25]
    assert compute_ramp(5, 2, True, False).tolist() == [0.25, 0.75, 1, 1, 1]
    assert compute_ramp(3, 0, True, True).tolist() == [1, 1, 1]
    assert_allclose(compute_ramp(2, 2, True, True), [0.25 * 0.75, 0.75 * 0.25])


@given(sizes, sizes, st.data())
def test_every_pixel_counts(length, tile, data):
    axis = TileAxis(length, tile, data.draw(st.integers(1, tile)))
    assert (axis.total > 0).all()
    assert (axis.total >= 1e-4).all()
    if len(axis.starts) == 1:
        assert axis.total.tolist() == [1] * length


def test_neighbours_share_all_of_the_weight():
    """Tiles of 8 with 4 in common, on 20 pixels: the ramps add up to 1 everywhere."""
    assert TileAxis(20, 8, 4).total.tolist() == [1] * 20


@pytest.mark.parametrize(("tile", "stride"), [(4, 5), (4, 0), (4, -1), (0, 0)])
def test_gaps_are_refused(tile, stride):
    with pytest.raises(ValueError, match=f"stride {stride} is not in 1..{tile}"):
        Tiling(tile, stride)


def test_tiles_of_eight_are_predicted_at_a_time_unless_told():
    assert Tiling(1, 1).batch_size == 8
