"""Footprints of many rasters are those of each."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.raster.footprints import find_footprint, find_footprints
from instageo.raster.grid import Grid


def grid(epsg, transform, size=64):
    return Grid(CRS.from_epsg(epsg).to_wkt() if epsg else None, transform, size, size)


GRIDS = [
    grid(32632, Affine(30, 0, 500_000, 0, -30, 5_500_000)),
    grid(4326, Affine(0.01, 0, 179.9, 0, -0.01, 10)),
    grid(32632, Affine(10, 0, 300_000, 0, -10, 100)),
    grid(32601, Affine(30, 0, 166_000, 0, -30, 1_000_000)),
    grid(None, Affine(30, 0, 500_000, 0, -30, 5_500_000)),
    grid(None, Affine.identity()),
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
