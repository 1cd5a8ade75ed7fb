"""Ground area of pixels."""

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.raster.grid import Grid
from instageo.raster.pixel_area import PixelAreas, compute_pixel_areas


def wkt(code):
    return CRS.from_epsg(code).to_wkt()


EARTH_KM2 = 510_065_621.724
"""Surface of the ellipsoid WGS 84."""


def test_the_whole_earth_in_degrees():
    areas = compute_pixel_areas(Grid(wkt(4326), Affine(1, 0, -180, 0, -1, 90), 180, 360))
    assert areas.row_means_km2.sum() * 360 == pytest.approx(EARTH_KM2, rel=1e-9)
    assert (areas.km2.shape, areas.planar_scale) == ((180, 1), None)
    np.testing.assert_allclose(areas.km2, areas.km2[::-1], rtol=1e-9)
    assert areas.km2[89, 0] == pytest.approx(12_308.4, rel=1e-4)  # a degree at the equator: 111.32 x 110.57 km


GRIDS = {
    "UTM": (32633, Affine(10, 0, 499_980, 0, -10, 5_200_020), 10980, 10980),
    "edge of UTM": (32633, Affine(10, 0, 699_960, 0, -10, 100_020), 10980, 10980),
    "Web Mercator": (3857, Affine(30, 0, 1e6, 0, -30, 8e6), 3000, 4000),
    "polar": (3995, Affine(100, 0, -5e5, 0, -100, -1e6), 5000, 5000),
    "equal-area": (3035, Affine(100, 0, 4e6, 0, -100, 3e6), 2000, 2000),
    "rotated": (32614, Affine(24, 18, 5e5, 18, -24, 4e6), 500, 400),
    "south-up": (32614, Affine(30, 0, 5e5, 0, 30, 4e6), 500, 400),
    "feet": (2264, Affine(1000, 0, 1.5e6, 0, -1000, 6e5), 300, 300),
    "over the antimeridian": (32601, Affine(100, 0, 1e5, 0, -100, 6e6), 900, 900),
}


@pytest.mark.parametrize("name", GRIDS)
def test_projected_pixels_have_the_areas_of_geodesic_polygons(name):
    code, affine, height, width = GRIDS[name]
    areas = compute_pixel_areas(Grid(wkt(code), affine, height, width))
    assert areas.km2.shape == (height, len(areas.column_ends) - 1)
    pyproj = pytest.importorskip("pyproj", reason="the reference is not installed")
    geod, to_lonlat = pyproj.Geod(ellps="WGS84"), pyproj.Transformer.from_crs(code, 4326, always_xy=True)
    rng = np.random.default_rng(0)
    corners = ((0, 0), (0.5, 0), (1, 0), (1, 0.5), (1, 1), (0.5, 1), (0, 1), (0, 0.5))
    for row, column in [(0, 0), (height - 1, width - 1), *rng.integers(0, (height, width), (20, 2)).tolist()]:
        points = [affine @ (column + x, row + y) for x, y in corners]
        expected = abs(geod.polygon_area_perimeter(*to_lonlat.transform(*zip(*points, strict=True)))[0]) / 1e6
        band = np.searchsorted(areas.column_ends, column, side="right") - 1
        assert areas.km2[row, band] == pytest.approx(expected, rel=5e-4 if name == "polar" else 1e-4)


def test_sums_of_areas():
    areas = PixelAreas(np.array([[1.0, 10.0], [2.0, 20.0]]), np.array([0, 2, 3]), 3.0)
    np.testing.assert_allclose(areas.row_means_km2, [4, 8])
    assert (areas.sum_km2(np.array([[1, 0, 1], [1, 1, 0]], bool)), areas.planar_scale) == (15, 0.5)
    np.testing.assert_allclose(areas.cumulative_km2(), [[0, 0, 0], [0, 2, 12], [0, 6, 36]])


def test_a_grid_beside_the_earth_has_planar_areas():
    areas = compute_pixel_areas(Grid(wkt(3035), Affine(1000, 0, 1e9, 0, -1000, 1e9), 2, 2))
    assert areas.planar_scale == 1


@pytest.mark.parametrize(
    "grid",
    [
        Grid(None, Affine(30, 0, 0, 0, -30, 0), 2, 2),
        Grid(wkt(4326), Affine.identity(), 2, 2),
        Grid(wkt(4326), Affine(1, 0.5, 0, 0.5, -1, 0), 2, 2),
    ],
)
def test_a_grid_that_is_nowhere_on_earth_has_no_area(grid):
    assert compute_pixel_areas(grid) is None


def test_the_corners_of_a_grid():
    assert Grid(wkt(4326), Affine(0.5, 0, 10, 0, -0.25, 50), 4, 2).bounds_lonlat() == pytest.approx((10, 49, 11, 50))
    assert Grid(None, Affine.identity(), 4, 2).bounds_lonlat() is None


@pytest.mark.parametrize("size", [0, 1e-200, 1e-12, 1e8, 1e200, 1.7e308])
@pytest.mark.parametrize("code", [32617, 4326])
def test_pixels_smaller_than_a_micrometre_or_longer_than_the_equator_have_no_area(code, size):
    """Those of damaged files; sums of their areas may be zero, infinite or no number, and are divided by."""
    assert compute_pixel_areas(Grid(wkt(code), Affine(size, 0, 0, 0, -size, 0), 8, 8)) is None


def test_pixels_on_a_line_have_no_area():
    assert compute_pixel_areas(Grid(wkt(32617), Affine(30, 30, 5e5, 30, 30, 4e6), 8, 8)) is None


def test_pixels_beyond_a_pole_have_no_area():
    """Latitude 90 lies between the second and the third row; Web Mercator has no point beyond a pole."""
    assert compute_pixel_areas(Grid(wkt(4326), Affine(1, 0, 0, 0, -1, 100), 10, 2)) is None
    assert compute_pixel_areas(Grid(wkt(3857), Affine(30, 0, 0, 0, -30, 1e11), 8, 8)) is None
    areas = compute_pixel_areas(Grid(wkt(4326), Affine(1, 0, 0, 0, -1, 92), 4, 2))
    assert (areas.km2[:, 0] > 0).tolist() == [False, False, True, True]


def test_a_map_of_one_pixel_of_the_whole_earth():
    areas = compute_pixel_areas(Grid(wkt(4326), Affine(360, 0, -180, 0, -180, 90), 1, 1))
    assert areas.km2[0, 0] == pytest.approx(EARTH_KM2, rel=1e-9)
