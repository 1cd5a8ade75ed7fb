"""Points of damaged files, whose coordinates are no places, take no time."""

import math
import subprocess
import sys

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.warp import transform_bounds, transform_points

WGS84 = CRS.from_epsg(4326)

CORNERS = """
import sys
from affine import Affine
from rasterio.crs import CRS
from instageo.raster.grid import Grid
from instageo.raster.pixel_area import compute_pixel_areas
for size, origin in ((1e300, 5e5), (30, 1e300), (1e30, 0)):
    transform = Affine(size, 0, origin, 0, -size, origin)
    grid = Grid(CRS.from_epsg(3857).to_wkt(), transform, 8, 8)
    print(grid.bounds_lonlat(), grid.center_lat_lon(), compute_pixel_areas(grid) is None or size == 30)
"""


def test_points_are_those_of_proj_and_far_ones_are_infinite():
    origin = 111319.49079327357  # a degree along the equator, in Web Mercator
    xs, ys = transform_points(CRS.from_epsg(3857), WGS84, [origin, 1e300, math.nan, 0], [0, 0, 0, -1e13])
    assert xs == pytest.approx([1, math.inf, math.inf, math.inf])
    assert ys == pytest.approx([0, math.inf, math.inf, math.inf], abs=1e-9)


def test_grids_whose_coordinates_are_no_places_take_no_time():
    """PROJ 9 never ends for points at 1e30 m in Web Mercator."""
    done = subprocess.run([sys.executable, "-c", CORNERS], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("None None True\n" * 3, "")


def test_bounds_that_are_no_place_are_refused_in_a_sentence():
    with pytest.raises(RasterError, match="have no place in EPSG:4326; check their reference system"):
        transform_bounds("EPSG:3857", "EPSG:4326", (0, 0, 1e30, 1e30))


def test_a_grid_without_bounds_matches_itself():
    """The corners of such pixels are infinite, and differences of them no numbers."""
    first, second = (
        Grid(CRS.from_epsg(3857).to_wkt(), Affine(1.7e308, 0, 0, 0, -1.7e308, y), 64, 64) for y in (0, 1.7e308)
    )
    assert first.matches(first)
    with np.errstate(invalid="ignore"):
        assert not first.matches(second)
