"""Files that only ground control points or polynomials locate keep them, and their place on Earth is known."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from instageo.raster.cog import write_cog
from instageo.raster.grid import Grid, crop
from instageo.raster.ground_control import ControlPoints
from instageo.raster.reading import read_info, read_raster
from instageo.raster.writing import write_raster

UTM = Grid(CRS.from_epsg(32631).to_wkt(), Affine(30, 0, 500_000, 0, -30, 4_000_000), 8, 12)
"""8 rows and 12 columns of 30 m."""


def control_points(epsg=32631, east=0.0, columns=12):
    """Points at the corners of `UTM`, moved to the east by some metres."""
    points = [
        (float(row), float(column), 500_000.0 + 30 * column + east, 4_000_000.0 - 30 * row, 0.0)
        for row in (0, 8)
        for column in (0, columns)
    ]
    if epsg != 32631:
        _, _, xs, ys, _ = zip(*points, strict=True)
        places = zip(*rasterio.warp.transform(CRS.from_epsg(32631), CRS.from_epsg(epsg), xs, ys), strict=True)
        points = [(row, column, x, y, z) for (row, column, _, _, z), (x, y) in zip(points, places, strict=True)]
    return ControlPoints(CRS.from_epsg(epsg).to_wkt(), tuple(points))


def grid_of(points=None, rpcs=None):
    return Grid(None, Affine.identity(), 8, 12, points, rpcs)


@pytest.fixture
def chip(tmp_path):
    """A chip as another program writes it, with control points at its corners."""
    points = [GroundControlPoint(row, col, x, y, z) for row, col, x, y, z in control_points().points]
    profile = {"driver": "GTiff", "count": 1, "height": 8, "width": 12, "dtype": "int16"}
    with rasterio.open(tmp_path / "chip.tif", "w", gcps=points, crs="EPSG:32631", **profile) as out:
        out.write(np.arange(96, dtype=np.int16).reshape(1, 8, 12))
    return tmp_path / "chip.tif"


def test_control_points_are_read_and_written(chip, tmp_path):  # pitfall 72
    raster = read_raster(chip)
    assert (raster.grid.crs, raster.grid.transform) == (None, Affine.identity())
    assert raster.grid == read_info(chip).grid == grid_of(control_points())
    write_raster(tmp_path / "map.tif", raster.values, raster.grid)
    write_cog(tmp_path / "map.tif", tmp_path / "cog.tif")
    for name in ("map", "cog"):
        with rasterio.open(tmp_path / f"{name}.tif") as source:
            points, crs = source.gcps
            assert crs.to_epsg() == 32631
            assert [(p.row, p.col, p.x, p.y, p.z) for p in points] == list(control_points().points)


def test_points_without_a_reference_system_are_kept(tmp_path):
    grid = grid_of(replace(control_points(), crs=None))
    write_raster(tmp_path / "map.tif", np.ones((1, 8, 12), np.uint8), grid)
    assert read_info(tmp_path / "map.tif").grid == grid
    assert grid.center_lat_lon() is grid.bounds_lonlat() is None


@pytest.mark.parametrize("epsg", [32631, 4326])
def test_the_center_and_the_corners_are_those_of_an_equal_transform(epsg):  # pitfall 72
    grid = grid_of(control_points(epsg))
    assert grid.center_lat_lon() == pytest.approx(UTM.center_lat_lon(), abs=1e-7)
    assert grid.bounds_lonlat() == pytest.approx(UTM.bounds_lonlat(), abs=1e-7)
    assert UTM.center_lat_lon() == pytest.approx((36.1436, 3.002), abs=1e-4)  # 180 m east of 3 degrees east


def test_a_window_shifts_the_points(chip):
    window = read_raster(chip, window=(slice(2, 6), slice(3, 12)))
    assert window.values[0, 0, 0] == 2 * 12 + 3
    assert window.grid.center_lat_lon() == pytest.approx(UTM.window(2, 3, 4, 9).center_lat_lon(), abs=1e-9)
    assert window.grid == crop(read_raster(chip), 2, 3, 4, 9).grid
    assert window.grid.control_points.points[0][:2] == (-2, -3)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (grid_of(control_points()), grid_of(control_points()), True),
        (grid_of(control_points()), grid_of(control_points(4326)), True),
        (grid_of(control_points()), UTM, True),
        (grid_of(control_points()), grid_of(), True),  # the other is not georeferenced
        (grid_of(control_points()), replace(UTM, crs=None), True),
        (grid_of(control_points()), grid_of(control_points(east=14)), True),  # less than half a pixel
        (grid_of(control_points()), grid_of(control_points(east=16)), False),
        (grid_of(control_points()), grid_of(control_points(east=30)), False),
        (grid_of(control_points()), UTM.window(0, 1, 8, 12), False),
        (grid_of(control_points()), UTM.window(1, 0, 8, 12), False),
        (grid_of(control_points()), replace(UTM, width=11), False),
        (grid_of(replace(control_points(), crs=None)), grid_of(replace(control_points(), crs=None)), True),
        (grid_of(replace(control_points(), crs=None)), grid_of(replace(control_points(east=30), crs=None)), False),
    ],
)
def test_grids_with_control_points_are_compared(first, second, expected):  # pitfall 72
    assert first.matches(second) == second.matches(first) == expected


@pytest.mark.parametrize("rows", [(0,), (0, 1, 2)], ids=["too few", "on a line"])
def test_points_that_are_not_enough_locate_nothing(capfd, rows):
    points = tuple((float(row), 2.0 * row, 500_000.0 + 60 * row, 4_000_000.0 - 30 * row, 0.0) for row in rows)
    grid = grid_of(ControlPoints(UTM.crs, points))
    assert grid.center_lat_lon() is None
    assert grid.matches(UTM)
    assert capfd.readouterr().err == ""


@pytest.fixture
def rpcs():
    """Polynomials that map 0.1 degrees around 45 N, 10 E to 100 rows and 80 columns, whatever the height."""
    one, constant = [0.0] * 20, [1.0] + [0.0] * 19
    longitude, latitude = list(one), list(one)
    longitude[1], latitude[2] = 1.0, -1.0
    return RPC(
        height_off=100.0, height_scale=500.0, lat_off=45.0, lat_scale=0.1, long_off=10.0, long_scale=0.1, line_off=50.0,
        line_scale=50.0, samp_off=40.0, samp_scale=40.0, line_num_coeff=latitude, line_den_coeff=constant,
        samp_num_coeff=longitude, samp_den_coeff=constant, err_bias=-1.0, err_rand=-1.0,
    )  # fmt: skip


def test_polynomials_are_kept_shifted_and_locate(tmp_path, rpcs):  # pitfall 72
    grid = Grid(None, Affine.identity(), 101, 81, rpcs=rpcs)  # the polynomials count from the centre of a pixel
    assert grid.center_lat_lon() == pytest.approx((45, 10), abs=1e-6)
    window = grid.window(25, 20, 51, 41)
    assert window.center_lat_lon() == pytest.approx((45, 10), abs=1e-6)
    assert window.bounds_lonlat() == pytest.approx((9.94875, 44.949, 10.05125, 45.051), abs=1e-5)
    write_raster(tmp_path / "map.tif", np.ones((1, 51, 41), np.uint8), window)
    assert read_info(tmp_path / "map.tif").grid == window
    assert grid.matches(grid)
    assert not grid.matches(grid.window(0, 1, 101, 81))
    assert grid.matches(Grid(UTM.crs, UTM.transform, 101, 81))  # heights are unknown, so nothing can be said
