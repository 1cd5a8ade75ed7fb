"""Areas of users: boxes, tiles, files of polygons, and what is none of them."""

import json
from datetime import date

import pytest
from pyproj import Geod, Transformer
from shapely.geometry import Point, box

from instageo.area_maps.preparation.area import read_area
from instageo.errors import DataError, InstaGeoError, TableError
from instageo.geodesy.mgrs import find_tile


def square(west, south, east, north):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture
def write(tmp_path):
    """Write geometries as GeoJSON, and return the path."""

    def call(*geometries, **members):
        features = [{"type": "Feature", "properties": {}, "geometry": each} for each in geometries]
        path = tmp_path / "area.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features} | members))
        return str(path)

    return call


def test_a_box():
    area = read_area(" 34.5, -20.1, 35.2, -19.4 ")
    assert (area.name, area.tile) == ("34.5,-20.1,35.2,-19.4", None)
    assert area.geometry.equals(box(34.5, -20.1, 35.2, -19.4))


def test_a_box_across_longitude_180_goes_on_beyond_it():
    assert read_area("179,-17,-179.5,-16").geometry.bounds == (179, -17, 180.5, -16)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("34.5,-19.4,35.2,-20.1", "south below north"),  # south and north are swapped
        ("34.5,-20.1,34.5,-19.4", "is not a box on Earth"),  # no width
        ("190,0,191,1", "is not a box on Earth"),
        ("0,-91,1,0", "is not a box on Earth"),
        ("0,nan,1,1", "is not a box on Earth"),
        ("34.5,-20.1,35.2,north", "is not a box; expected W,S,E,N in degrees"),
        ("34.5,-20.1,35.2", "no such file; expected a file of polygons"),  # a number is missing
        ("nowhere.geojson", "no such file; expected a file of polygons"),
        ("", "no such file; expected a file of polygons"),
        ("36IXD", "tile 36IXD does not exist"),
    ],
)
def test_no_area(text, reason):
    with pytest.raises(DataError, match=reason):
        read_area(text)


@pytest.mark.parametrize("name", ["36KXD", "T31UFQ", "60UXB", "60XWP", "60KZA", "01KAB", "01NAA", "33XWG"])
def test_tiles_in_degrees_have_their_place_and_area(name):
    """Also across longitude 180: the centre in degrees is the centre in metres, and hectares those of 109.8 km."""
    area, tile = read_area(name), find_tile(name)
    west, south, east, north = tile.bounds
    lon, lat = Transformer.from_crs(tile.crs, 4326, always_xy=True).transform((west + east) / 2, (south + north) / 2)
    assert area.tile == tile.name
    assert area.geometry.geom_type == "Polygon"
    lon += 360 * (lon < area.geometry.bounds[0])
    assert area.geometry.contains(Point(lon, lat))
    on_earth = abs(Geod(ellps="WGS84").geometry_area_perimeter(area.geometry)[0])
    assert on_earth == pytest.approx(109_800**2, rel=0.003)  # UTM lengths: -0.04 % to 0.11 %
    projected = area.in_crs(tile.crs)
    assert projected.area == pytest.approx(109_800**2, rel=1e-6)
    assert projected.bounds == pytest.approx(tile.bounds, abs=1)


def test_all_polygons_of_a_file_are_one_area(write):
    area = read_area(write(square(1, 1, 2, 2), square(1.5, 1, 3, 2)))
    assert area.name == "area.geojson"
    assert area.geometry.equals(box(1, 1, 3, 2))


def test_a_file_in_another_reference_system(write):
    """10 km along the middle of UTM zone 32, longitude 9."""
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}
    west, south, east, north = read_area(write(square(500_000, 0, 510_000, 10_000), crs=crs)).geometry.bounds
    assert (west, south) == pytest.approx((9, 0), abs=1e-9)
    assert (east - 9, north) == pytest.approx((10_000 / 0.9996 / 111_319.49, 10_000 / 0.9996 / 110_574.3), rel=1e-4)


def test_polygons_on_both_sides_of_longitude_180_touch(write):
    area = read_area(write(square(179, -17, 180, -16), square(-180, -17, -179, -16)))
    assert area.geometry.equals(box(179, -17, 181, -16))


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, "feature 2 .* is a Point; expected a Polygon"),
        ({"type": "LineString", "coordinates": [[1, 2], [2, 3]]}, "is a LineString; expected a Polygon"),
        (None, "has no geometry; expected a Polygon"),
    ],
)
def test_other_geometries_are_refused(write, geometry, reason):
    with pytest.raises(TableError, match=reason):
        read_area(write(square(1, 1, 2, 2), geometry))


def test_files_without_polygons_are_refused(write, tmp_path):
    with pytest.raises(TableError, match="has no features"):
        read_area(write())
    (tmp_path / "notes.txt").write_text("36KXD")
    with pytest.raises(InstaGeoError, match="is not a file of polygons"):
        read_area(str(tmp_path / "notes.txt"))


def test_places_of_a_search_lie_at_most_half_a_degree_apart():
    """A box of 1 x 0.5 degrees: corners and middles of its edges, and its inside from the south-west."""
    places = read_area("10,0,11,0.5").search_places(date(2024, 5, 1), date(2024, 5, 2))
    assert {(lon, lat) for lon, lat, *_ in places} >= {(10, 0), (10.5, 0), (11, 0), (10.5, 0.5), (11, 0.5), (10, 0.5)}
    assert {(first, last) for *_, first, last in places} == {(date(2024, 5, 1), date(2024, 5, 2))}
