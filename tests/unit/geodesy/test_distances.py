"""Distances on the ground, compared with a plain implementation that looks at all pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instageo.geodesy.circles import Circles, great_circle_km
from instageo.geodesy.distances import connect_near, find_near, find_near_pairs, find_nearest_pair

QUARTER = math.pi / 2 * 6371.0088
"""From the equator to a pole, km."""


def haversine_km(first, second):
    """Distances of all pairs by the haversine formula, shape (N, M)."""
    (lon1, lat1), (lon2, lat2) = (np.radians(np.asarray(points, float)).T for points in (first, second))
    a = np.sin((lat2[None] - lat1[:, None]) / 2) ** 2
    a += np.cos(lat1)[:, None] * np.cos(lat2)[None] * np.sin((lon2[None] - lon1[:, None]) / 2) ** 2
    return 2 * 6371.0088 * np.arcsin(np.sqrt(np.minimum(a, 1)))


def all_gaps(first, second):
    return haversine_km(first.lonlat, second.lonlat) - first.radius_km[:, None] - second.radius_km[None]


def test_great_circles_by_hand():
    assert great_circle_km([0, 0], [0, 90]) == pytest.approx(QUARTER)
    assert great_circle_km([0, 0], [180, 0]) == pytest.approx(2 * QUARTER)
    assert great_circle_km([10, 0], [11, 0]) == pytest.approx(QUARTER / 90)
    assert great_circle_km([10, 60], [11, 60]) == pytest.approx(55.597, abs=1e-3)  # half a degree's 111.195, rounded
    assert great_circle_km([179.5, 0], [-179.5, 0]) == pytest.approx(QUARTER / 90)  # across the antimeridian
    assert great_circle_km([0, 89.5], [180, 89.5]) == pytest.approx(QUARTER / 90)  # across the pole
    assert great_circle_km([77, -90], [-12, -90]) == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(great_circle_km([[0, 0], [0, 1]], [0, 0]), [0, QUARTER / 90])


def test_radii_are_taken_off_and_overlap_is_zero():
    near = find_nearest_pair(Circles.around([[0, 0], [50, 0]], 4.75), Circles.around([[0, 1], [0, 2]], [4.75, 70]))
    assert (near.first, near.second) == (0, 0)
    assert near.distance_km == pytest.approx(QUARTER / 90 - 9.5)
    assert find_nearest_pair(Circles.around([[0, 0]], 60), Circles.around([[0, 1]], 60)).distance_km == 0


def test_empty_sets_have_no_distance():
    nothing, one = Circles.around([]), Circles.around([[3, 4]])
    assert find_nearest_pair(nothing, one) is None
    assert find_nearest_pair(one, nothing) is None
    assert find_near(nothing, one, 5).shape == (0,)
    assert not find_near(one, nothing, 5).any()
    assert find_near_pairs(one, nothing, 5).shape == (0, 2)
    assert connect_near(nothing, 1).shape == (0,)


def test_a_chain_is_one_component():
    chain = Circles.around([[0.1 * k, 0] for k in range(30)] + [[180, 0], [-179.9, 0]])
    np.testing.assert_array_equal(connect_near(chain, 11.2), [0] * 30 + [30] * 2)  # 0.1 degree is 11.12 km
    np.testing.assert_array_equal(connect_near(chain, 11.1), np.arange(32))


def test_nearer_means_less_than_the_distance():
    pair = Circles.around([[0, 0]]), Circles.around([[0, 0]])
    assert not find_near(*pair, 0).any()
    assert find_near(*pair, 1e-9).all()
    assert find_near_pairs(*pair, 0).tolist() == []


@pytest.mark.parametrize(
    ("lonlat", "radius"), [([[0, 91]], [0]), ([[math.nan, 0]], [0]), ([[0, 0]], [-1]), ([[0, 0]], [1, 2])]
)
def test_circles_that_cannot_be_are_refused(lonlat, radius):
    with pytest.raises(ValueError, match=r"expected|must be"):
        Circles(np.array(lonlat, float), np.array(radius, float))


CENTERS = {
    "anywhere": (0, 0, 180, 90), "antimeridian": (180, 0, 0.5, 0.5), "pole": (0, 89.8, 180, 0.2), "dense": (9, 45, 1, 1)
}  # fmt: skip


@st.composite
def circle_sets(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    longitude, latitude, width, height = CENTERS[draw(st.sampled_from(sorted(CENTERS)))]

    def sample(count):
        places = np.array([longitude, latitude]) + rng.uniform(-1, 1, (count, 2)) * [width, height]
        places = np.round(places, draw(st.sampled_from([1, 6])))  # equal places occur
        places = np.c_[(places[:, 0] + 180) % 360 - 180, places[:, 1].clip(-90, 90)]
        return Circles.around(places, rng.uniform(0, draw(st.sampled_from([0, 5, 50])), count))

    return sample(draw(st.integers(1, 150))), sample(draw(st.integers(1, 150)))


@settings(max_examples=60, deadline=None)
@given(circle_sets(), st.floats(0, 60))
def test_the_tree_finds_what_all_pairs_show(sets, distance):
    first, second = sets
    gaps = all_gaps(first, second)
    away = np.abs(gaps - distance) > 1e-6  # rounding decides the others
    nearest = find_nearest_pair(first, second)
    assert nearest.distance_km == pytest.approx(max(gaps.min(), 0), abs=1e-6)
    assert gaps[nearest.first, nearest.second] <= max(gaps.min(), 0) + 1e-6
    near = find_near(first, second, distance)
    decided = away.all(axis=1)
    np.testing.assert_array_equal(near[decided], (gaps < distance).any(axis=1)[decided])
    if away.all():
        np.testing.assert_array_equal(find_near_pairs(first, second, distance), np.argwhere(gaps < distance))


@settings(max_examples=40, deadline=None)
@given(circle_sets(), st.floats(0, 60))
def test_components_are_those_of_all_pairs(sets, distance):
    circles, _ = sets
    gaps = all_gaps(circles, circles)
    linked = (gaps < distance) | np.eye(len(circles), dtype=bool)
    if (np.abs(gaps - distance)[~np.eye(len(circles), dtype=bool)] < 1e-6).any():
        return
    expected = np.arange(len(circles))
    for _ in range(len(circles)):  # the smallest number reaches every member of its component
        expected = np.where(linked, expected[None], len(circles)).min(axis=1)
    np.testing.assert_array_equal(connect_near(circles, distance), expected)
    pairs = find_near_pairs(circles, None, distance)
    np.testing.assert_array_equal(pairs, np.argwhere(np.triu(gaps < distance, 1)))


def test_many_circles_in_deep_trees():
    rng = np.random.default_rng(5)
    first = Circles.around(np.c_[rng.uniform(0, 3, 3000), rng.uniform(40, 43, 3000)], rng.choice([1.0, 4.75], 3000))
    second = Circles.around(np.c_[rng.uniform(3.2, 6, 500), rng.uniform(40, 43, 500)], 2)
    gaps = all_gaps(first, second)
    np.testing.assert_array_equal(find_near(first, second, 25), (gaps < 25).any(axis=1))
    np.testing.assert_array_equal(find_near_pairs(first, second, 25), np.argwhere(gaps < 25))
    assert find_nearest_pair(first, second).distance_km == pytest.approx(max(gaps.min(), 0))
