"""Grids and rasters in memory: windows, positions on Earth, and consistency."""

import math

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform

from instageo.raster.grid import Grid, Raster, crop
from instageo.raster.pixel_area import compute_pixel_areas
from instageo.raster.reading import read_raster


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Affine(30, 0, 500_000, 0, -30, 4_000_000), True),
        (Affine(30, 0, 500_000.001, 0, -30, 4_000_000), True),  # a thirty thousandth of a pixel
        (Affine(30, 0, 500_030, 0, -30, 4_000_000), False),
        (Affine(30.01, 0, 500_000, 0, -30, 4_000_000), False),  # the far corner is 0.2 m off
        (Affine(30, 0, 500_000, 0, 30, 4_000_000), False),
    ],
)
def test_grids_match_where_pixels_lie_on_pixels(grid, other, expected):  # pitfall 2
    first = grid(10, 20)
    second = Grid(first.crs, other, 10, 20)
    assert first.matches(second) == second.matches(first) == expected
    assert first.matches(Grid(None, other, 10, 20))
    assert not first.matches(Grid(first.crs, first.transform, 10, 21))


def test_the_grid_of_a_window_starts_at_its_corner(grid):
    window = grid(10, 20).window(2, 3, 4, 5)
    assert window.shape == (4, 5)
    assert (window.transform.c, window.transform.f) == (500_000 + 3 * 30, 4_000_000 - 2 * 30)
    assert (window.transform.a, window.transform.e) == (30, -30)


def test_positions_in_a_grid_are_the_centres_of_its_windows(grid):
    whole, corners = grid(10, 20), [(0, 0), (6, 15), (3, 8)]
    located = whole.lat_lon_at([row + 2 for row, _ in corners], [column + 2.5 for _, column in corners])
    for place, corner in zip(located, corners, strict=True):
        assert place == pytest.approx(whole.window(*corner, 4, 5).center_lat_lon(), abs=1e-11)
    assert Grid(None, whole.transform, 10, 20).lat_lon_at([1, 2], [3, 4]) == [None, None]


def test_a_crop_keeps_pixels_in_place(make_raster, grid):
    raster = read_raster(make_raster("chip.tif", np.arange(12, dtype=np.uint8).reshape(3, 4)), no_data_value=6)
    part = crop(raster, 1, 2, 2, 2)
    assert part.values.tolist() == [[[6, 7], [10, 11]]]
    assert part.valid.tolist() == [[[False, True], [True, True]]]
    assert part.grid == grid(3, 4).window(1, 2, 2, 2)


@pytest.mark.parametrize(
    ("values", "valid", "bands"),
    [((2, 2, 3), (1, 2, 3), "a"), ((1, 2, 3), (2, 3), "a"), ((1, 2, 3), (1, 2, 3), "ab"), ((1, 3, 2), (1, 3, 2), "a")],
)
def test_parts_of_a_raster_must_agree(grid, values, valid, bands):
    with pytest.raises(ValueError, match=r"expected both \("):
        Raster(np.zeros(values), np.ones(valid, bool), grid(2, 3), tuple(bands))


def grid_in(epsg, transform, height=4, width=8):
    return Grid(CRS.from_epsg(epsg).to_wkt(), transform, height, width)


MERCATOR_10_E = 6378137 * math.radians(10)
MERCATOR_45_N = 6378137 * math.log(math.tan(math.radians(45 / 2 + 45)))


@pytest.mark.parametrize(
    ("located", "expected"),
    [
        (grid_in(4326, Affine(0.5, 0, 10, 0, -0.25, 50)), (49.5, 12)),
        (grid_in(4326, Affine(0.5, 0, 359, 0, -0.25, 50)), (49.5, 1)),  # longitudes 0..360
        (grid_in(4326, Affine(0.5, 0, 179, 0, -0.25, -10)), (-10.5, -179)),  # across the date line
        (grid_in(4326, Affine(0, 0.5, 10, -0.25, 0, 50)), (49, 11)),  # columns run to the south
        (grid_in(3857, Affine(10, 0, MERCATOR_10_E - 40, 0, -10, MERCATOR_45_N + 20)), (45, 10)),
        (grid_in(32617, Affine(10, 0, 500_000 - 40, 0, -10, 20)), (0, -81)),  # equator and central meridian of zone 17
        (grid_in(32717, Affine(10, 0, 500_000 - 40, 0, -10, 10_000_020)), (0, -81)),  # the same from the south
    ],
)
def test_the_center_of_a_grid_by_hand(located, expected):
    assert located.center_lat_lon() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("epsg", [32633, 32733, 5070])
def test_the_center_of_a_small_grid_is_the_mean_of_its_corners(epsg):
    turn = Affine(30, 0, 300_000, 0, -30, 4_000_000)
    columns, rows = [300_000, 300_240], [4_000_000, 3_999_880]
    longitudes, latitudes = transform(
        CRS.from_epsg(epsg), CRS.from_epsg(4326), columns + columns, rows + list(reversed(rows))
    )
    assert grid_in(epsg, turn).center_lat_lon() == pytest.approx((np.mean(latitudes), np.mean(longitudes)), abs=1e-6)


def test_a_grid_without_a_reference_system_has_no_center():
    assert Grid(None, Affine(30, 0, 500_000, 0, -30, 4_000_000), 4, 8).center_lat_lon() is None
    assert grid_in(4326, Affine(1, 0, 0, 0, 1, 400)).center_lat_lon() is None  # 402 degrees north


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ('LOCAL_CS["x",UNIT["metre",1]]', Affine(30, 0, 5e5, 0, -30, 4e6)),
        ("EPSG:32617", Affine(10, 0, 1e9, 0, -10, 20)),
        ("EPSG:4326", Affine.identity()),
        ("EPSG:4326", Affine(1, 0, 10, 0, -1, 200)),
    ],
    ids=["engineering", "outside-the-projection", "no-transform", "beyond-the-pole"],
)
def test_a_grid_that_is_nowhere_on_earth_has_no_center(crs, transform):
    assert Grid(CRS.from_user_input(crs).to_wkt(), transform, 10, 10).center_lat_lon() is None


@pytest.mark.parametrize(
    ("projection", "half"),
    [
        ("+proj=geos +h=35785831 +lon_0=0 +datum=WGS84 +sweep=y", 5.6e6),
        ("+proj=moll +datum=WGS84", 1.8e7),
        ("+proj=ortho +lat_0=0 +lon_0=0 +datum=WGS84", 7e6),
        ("+proj=nsper +h=3000000 +datum=WGS84", 5e6),
        ("+proj=sinu +datum=WGS84", 1.9e7),
        ("+proj=eck4 +datum=WGS84", 1.6e7),
        ("+proj=laea +lat_0=0 +lon_0=0 +datum=WGS84", 1.27e7),
    ],
)
def test_corners_beyond_the_edge_of_the_earth_have_no_bounds(projection, half):
    """The disk of the Earth fills these images; their corners are space."""
    transform = Affine(2 * half / 64, 0, -half, 0, -2 * half / 64, half)
    grid = Grid(CRS.from_proj4(projection).to_wkt(), transform, 64, 64)
    assert grid.bounds_lonlat() is None
    assert grid.center_lat_lon() == pytest.approx((0, 0), abs=1e-6)


def test_a_transform_that_is_not_a_number_has_no_place_and_no_area():
    grid = Grid(CRS.from_epsg(32633).to_wkt(), Affine(math.nan, 0, math.nan, 0, math.nan, math.nan), 8, 8)
    assert (grid.bounds_lonlat(), grid.center_lat_lon(), compute_pixel_areas(grid)) == (None, None, None)


def test_bounds_across_longitude_180_do_not_go_around_the_earth():
    grid = Grid(CRS.from_epsg(32660).to_wkt(), Affine(30, 0, 830_000, 0, -30, 110_000), 100, 200)
    # 330 to 336 km east of 177 degrees; a degree has 111.303 km here, and the scale is 0.9996 (1 + A^2 / 6), A = 0.052
    assert grid.bounds_lonlat()[::2] == pytest.approx((179.9647, 180.0186), abs=2e-4)
    whole = Grid(CRS.from_epsg(4326).to_wkt(), Affine(1, 0, -180, 0, -1, 90), 180, 360)
    assert whole.bounds_lonlat() == (-180, -90, 180, 90)
