"""Footprints of rasters."""

import math

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.geodesy.distances import find_nearest_pair
from instageo.raster.footprints import enclosing_circles, find_footprint, find_footprints
from instageo.raster.grid import Grid


def grid(code, affine, height=224, width=224):
    return Grid(CRS.from_epsg(code).to_wkt(), affine, height, width)


def test_corners_in_degrees():
    footprint = find_footprint(grid(4326, Affine(0.01, 0, 10, 0, -0.02, 46), 100, 200))
    np.testing.assert_allclose(footprint.corners, [[10, 46], [12, 46], [12, 44], [10, 44]])
    assert footprint.center == pytest.approx((11, 45))
    assert footprint.half_diagonal_km > 111.195  # the corners are a degree of latitude, and more, away


def test_half_the_diagonal_of_a_chip_of_hls():
    footprint = find_footprint(grid(32632, Affine(30, 0, 500_000, 0, -30, 5_000_000)))
    assert footprint.half_diagonal_km == pytest.approx(math.hypot(3.36, 3.36), rel=0.005)  # 4.75 km


@pytest.mark.parametrize(
    "place",
    [
        Grid(None, Affine(30, 0, 5e5, 0, -30, 5e6), 8, 8),  # no reference system
        Grid(CRS.from_epsg(32632).to_wkt(), Affine.identity(), 8, 8),  # no transform
        Grid(
            CRS.from_string("+proj=ortho").to_wkt(), Affine(1e6, 0, -8e6, 0, -1e6, 8e6), 16, 16
        ),  # its corners are in space
    ],
)
def test_no_footprint_without_a_place(place):
    assert find_footprint(place) is None


def test_distance_across_the_antimeridian_of_two_zones():
    west = grid(32660, Affine(30, 0, 826_000, 0, -30, 1_000))  # zone 60 ends at 180 degrees, at easting 833,978
    east = grid(32601, Affine(30, 0, 170_000, 0, -30, 1_000))  # zone 1 begins there, at easting 166,021
    footprints = [find_footprint(west), find_footprint(east)]
    assert footprints[0].center[0] > 179
    assert footprints[1].center[0] < -179
    circles = enclosing_circles(footprints)
    nearest = find_nearest_pair(circles.take(np.array([0])), circles.take(np.array([1])))
    between_centers = (833.979 - 829.36) + (173.36 - 166.021)  # km along the equator
    assert nearest.distance_km == pytest.approx(between_centers - 2 * 4.752, abs=0.05)


def test_no_footprints_are_no_circles():
    assert len(enclosing_circles([])) == 0


GRIDS = [
    grid(32632, Affine(30, 0, 500_000, 0, -30, 5_500_000)),
    grid(4326, Affine(0.01, 0, 179.9, 0, -0.01, 10)),
    grid(32632, Affine(10, 0, 300_000, 0, -10, 100)),
    grid(32601, Affine(30, 0, 166_000, 0, -30, 1_000_000)),
    Grid(None, Affine(30, 0, 500_000, 0, -30, 5_500_000), 64, 64),
    Grid(None, Affine.identity(), 64, 64),
    grid(32632, Affine(1e9, 0, 1e15, 0, -1e9, 1e15)),  # nowhere on Earth
    grid(3857, Affine(30, 0, 1e6, 0, -30, 6e6)),
]


def test_footprints_of_many_grids_are_those_of_each():
    found = find_footprints(GRIDS)
    for own, expected in zip(found, map(find_footprint, GRIDS), strict=True):
        assert (own is None) == (expected is None)
        if own is not None and expected is not None:
            np.testing.assert_allclose(own.corners, expected.corners)
            assert own.center == pytest.approx(expected.center)
            assert own.half_diagonal_km == pytest.approx(expected.half_diagonal_km)
    assert [part is None for part in found] == [False, False, False, False, True, True, True, False]
    assert find_footprints([]) == []
