"""Ground area of pixels."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.raster.grid import Grid
from instageo.raster.pixel_area import compute_pixel_areas_km2


def wkt(code):
    return CRS.from_epsg(code).to_wkt()


EARTH_KM2 = 510_065_621.724
"""Surface of the ellipsoid WGS 84."""


def test_the_whole_earth_in_degrees():
    areas = compute_pixel_areas_km2(Grid(wkt(4326), Affine(1, 0, -180, 0, -1, 90), 180, 360))
    assert areas.sum() * 360 == pytest.approx(EARTH_KM2, rel=1e-9)
    np.testing.assert_allclose(areas, areas[::-1], rtol=1e-9)
    assert areas[89] == pytest.approx(12_308.4, rel=1e-4)  # one degree by one degree at the equator: 111.32 x 110.57 km


def test_projected_pixels_are_squares():
    areas = compute_pixel_areas_km2(Grid(wkt(32614), Affine(30, 0, 5e5, 0, -30, 4e6), 3, 5))
    np.testing.assert_allclose(areas, [0.0009] * 3)
    feet = compute_pixel_areas_km2(Grid(wkt(2264), Affine(1000, 0, 0, 0, -1000, 0), 1, 1))  # in US survey feet
    np.testing.assert_allclose(feet, 0.3048006**2, rtol=1e-6)


def test_a_rotated_grid_in_metres_keeps_its_area():
    areas = compute_pixel_areas_km2(Grid(wkt(32614), Affine(24, 18, 0, 18, -24, 0), 2, 2))
    np.testing.assert_allclose(areas, [0.0009] * 2)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(None, Affine(30, 0, 0, 0, -30, 0), 2, 2),
        Grid(wkt(4326), Affine.identity(), 2, 2),
        Grid(wkt(4326), Affine(1, 0.5, 0, 0.5, -1, 0), 2, 2),
    ],
)
def test_a_grid_that_is_nowhere_on_earth_has_no_area(grid):
    assert compute_pixel_areas_km2(grid) is None


def test_the_corners_of_a_grid():
    assert Grid(wkt(4326), Affine(0.5, 0, 10, 0, -0.25, 50), 4, 2).bounds_lonlat() == pytest.approx((10, 49, 11, 50))
    assert Grid(None, Affine.identity(), 4, 2).bounds_lonlat() is None
