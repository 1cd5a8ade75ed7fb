"""Polygons on the pixels of chips."""

import numpy as np
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.warp import transform_geom

from instageo.raster.grid import Grid
from instageo.raster.rasterizing import paint_polygons
from instageo.raster.warp import WGS84, crs_wkt

UTM = "EPSG:32632"
GRID = Grid(crs_wkt(UTM), Affine(30, 0, 500_000, 0, -30, 4_000_000), 4, 5)


def ring(top, left, bottom, right):
    corners = [(top, left), (top, right), (bottom, right), (bottom, left), (top, left)]
    return [[500_000 + 30 * column, 4_000_000 - 30 * row] for row, column in corners]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [ring(*corners) for corners in rings]}


def test_a_pixel_belongs_to_the_polygon_around_its_centre_and_holes_stay_empty():
    painted = paint_polygons([(polygon((0, 0, 3.4, 3.6), (1, 1, 2, 2)), 7)], UTM, GRID)
    expected = np.zeros((4, 5), bool)
    expected[:3, :4] = True
    expected[1, 1] = False
    assert_array_equal(painted.valid, expected)
    assert_array_equal(painted.values, 7 * expected)


def test_class_0_is_a_label():
    painted = paint_polygons([(polygon((0, 0, 1, 1)), 0)], UTM, GRID)
    assert (painted.valid.sum(), painted.values[0, 0]) == (1, 0)


def test_overlaps_of_different_values_are_told():
    shapes = [(polygon((0, 0, 2, 2)), 5), (polygon((1, 1, 3, 3)), 2), (polygon((0, 0, 1, 1)), 5)]
    painted = paint_polygons(shapes, UTM, GRID)
    assert np.argwhere(painted.conflicts).tolist() == [[1, 1]]
    assert (painted.valid[1, 1], painted.valid[0, 0]) == (False, True)
    first = paint_polygons(shapes, UTM, GRID, first_wins=True)
    assert (first.values[1, 1], first.values[2, 2], first.conflicts.sum()) == (5, 2, 1)


def test_polygons_in_degrees_are_moved_to_the_chip():
    lonlat = transform_geom(crs_wkt(UTM), crs_wkt(WGS84), polygon((1, 1, 3, 4)))
    painted = paint_polygons([(lonlat, 3)], WGS84, GRID)
    assert np.argwhere(painted.valid).tolist() == [[row, column] for row in (1, 2) for column in (1, 2, 3)]


def test_no_polygons_give_no_labels():
    assert not paint_polygons([], UTM, GRID).valid.any()
