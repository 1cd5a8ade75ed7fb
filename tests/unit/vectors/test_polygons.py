"""Polygons in longitude and latitude: repaired, cut, moved and measured."""

import numpy as np
import pytest
import shapely

from instageo.errors import DataError
from instageo.vectors.polygons import clean_polygon, move_to_lonlat, polygon_hectares

QUARTER_HECTARES = 510_065_621.724 * 100 / 8
"""Area of a quarter of a hemisphere of the ellipsoid WGS 84."""


def test_a_quarter_of_a_hemisphere():
    assert polygon_hectares(shapely.box(0, 0, 90, 90)) == pytest.approx(QUARTER_HECTARES, rel=1e-9)
    assert polygon_hectares(shapely.box(0, -90, 90, 90)) == pytest.approx(2 * QUARTER_HECTARES, rel=1e-9)


@pytest.mark.parametrize(
    "polygon",
    [
        shapely.Polygon([(30, -20), (34, -19), (33, -16), (31, -17.5)]),
        shapely.Polygon([(10, 65), (30, 79), (12, 78)]),
        shapely.Polygon([(0, -5), (10, 5), (3, 8)], [[(3, 2), (5, 3), (4, 4)]]),
    ],
)
def test_areas_are_those_of_geodesic_polygons_with_dense_vertices(polygon):
    pyproj = pytest.importorskip("pyproj", reason="the reference is not installed")
    dense = shapely.segmentize(polygon, 0.001)  # lines that are straight in degrees
    expected = abs(pyproj.Geod(ellps="WGS84").geometry_area_perimeter(shapely.geometry.polygon.orient(dense))[0]) / 1e4
    assert polygon_hectares(polygon) == pytest.approx(expected, rel=1e-8)


def test_lines_and_points_have_no_area():
    mixed = shapely.GeometryCollection(
        [shapely.box(0, 0, 90, 90), shapely.Point(1, 1), shapely.LineString([(0, 0), (1, 1)])]
    )
    assert polygon_hectares(mixed) == pytest.approx(QUARTER_HECTARES, rel=1e-9)
    assert polygon_hectares(shapely.Polygon()) == 0


@pytest.mark.parametrize(
    "ring",
    [
        [(179, -1), (181, -1), (181, 1), (179, 1)],
        [(179, -1), (-179, -1), (-179, 1), (179, 1)],
        [(-181, -1), (-179, -1), (-179, 1), (-181, 1)],
    ],
)
def test_polygons_across_180_degrees_are_cut(ring):
    polygon = clean_polygon(shapely.Polygon(ring))
    assert sorted(part.bounds for part in polygon.geoms) == [(-180, -1, -179, 1), (179, -1, 180, 1)]
    assert polygon_hectares(polygon) == pytest.approx(polygon_hectares(shapely.box(0, -1, 2, 1)), rel=1e-12)


def test_holes_across_180_degrees_stay_in_their_polygon():
    outline = [(178, -2), (-178, -2), (-178, 2), (178, 2)]
    holes = [[(179, -1), (-179, -1), (-179, 1), (179, 1)], [(-178.5, 0), (-178.2, 0), (-178.2, 1)]]
    polygon = clean_polygon(shapely.Polygon(outline, holes))
    expected = shapely.Polygon(
        [(-2, -2), (2, -2), (2, 2), (-2, 2)], [[(-1, -1), (1, -1), (1, 1), (-1, 1)], [(1.5, 0), (1.8, 0), (1.8, 1)]]
    )
    assert polygon_hectares(polygon) == pytest.approx(polygon_hectares(expected), rel=1e-12)


def test_the_whole_earth_stays_whole():
    assert polygon_hectares(clean_polygon(shapely.box(-180, -90, 180, 90))) == pytest.approx(8 * QUARTER_HECTARES)


def test_a_ring_that_crosses_itself_is_repaired():
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert clean_polygon(bow_tie).area == pytest.approx(2)


@pytest.mark.parametrize(
    ("geometry", "sentence"),
    [
        (None, "has no geometry; expected a Polygon"),
        (shapely.Point(1, 2), "is a Point; expected a Polygon"),
        (shapely.Polygon(), "is empty; expected"),
        (shapely.Polygon([(0, 0), (1, 1), (2, 2)]), "has no area"),
        (shapely.box(500_000, 4e6, 500_100, 4.1e6), r"from \(500000, 4e\+06\).*add the coordinate reference system"),
        (shapely.Polygon([(0, 80), (100, 80), (-160, 80), (-100, 80)]), "runs around a pole"),
    ],
)
def test_what_is_no_polygon_is_refused(geometry, sentence):
    with pytest.raises(DataError, match=sentence):
        clean_polygon(geometry)


def test_edges_of_projected_polygons_keep_their_place():
    """Corners of a square of 100 km in UTM at 60° are not enough: its upper edge is a curve in degrees."""
    pyproj = pytest.importorskip("pyproj", reason="the reference is not installed")
    square = shapely.box(600_000, 6_650_000, 700_000, 6_750_000)
    moved = move_to_lonlat(square, "EPSG:32633")
    scale = 0.9996 * (1 + (np.linspace(100, 200, 1001) / 0.9996) ** 2 / (2 * 6381.0**2))
    assert polygon_hectares(moved) == pytest.approx(1e6 * (1 / scale**2).mean(), rel=1e-5)
    back = pyproj.Transformer.from_crs(4326, 32633, always_xy=True)
    xs, ys = back.transform(*shapely.get_coordinates(shapely.segmentize(moved, 0.001)).T)
    distance = shapely.distance(square.exterior, shapely.points(xs, ys))
    assert distance.max() < 0.1


def test_a_polygon_beyond_the_edge_of_the_earth_is_refused():
    with pytest.raises(DataError, match="has no place on Earth"):
        move_to_lonlat(shapely.box(1e9, 1e9, 2e9, 2e9), "EPSG:3035")
