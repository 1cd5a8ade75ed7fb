"""Zones from files of polygons."""

import json

import numpy as np
import pytest
import shapely

from instageo.errors import DataError, TableError
from instageo.raster.area_products.zones import Zone, read_zones
from instageo.vectors.polygons import polygon_hectares

SQUARES = [shapely.box(30 + i, -20, 30.5 + i, -19) for i in range(3)]


def write_geojson(path, features, crs=None):
    """Write (properties, geometry) as GeoJSON and return the path."""
    collection = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(geometry))}
            for properties, geometry in features
        ],
    }
    if crs:
        collection["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(collection))
    return path


def write_vector(path, crs, names, geometries):
    pyogrio = pytest.importorskip("pyogrio", reason="the format is not installed")
    columns = [np.array(names, object)]
    pyogrio.raw.write(path, shapely.to_wkb(geometries), columns, ["NAME"], crs=crs, geometry_type="Polygon")
    return path


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"id": 1, "name": "A"}, {"id": 2, "name": "B"}, {"id": 3, "name": "C"}], ["A", "B", "C"]),
        ([{"code": "x", "NAME": "A"}, {"code": "y", "NAME": ""}, {"code": "z", "NAME": "C"}], ["A", "2", "C"]),
        ([{"ADM0_EN": "M", "ADM2_EN": n, "ADM1_EN": "P"} for n in "ABC"], ["A", "B", "C"]),
        ([{"GID": "g", "NAME_1": n, "TYPE": "t"} for n in "ABC"], ["A", "B", "C"]),
        ([{"area": 1.5, "shapeName": n, "type": "t"} for n in "ABC"], ["A", "B", "C"]),
        ([{"area": 1.5}] * 3, ["1", "2", "3"]),
        ([{"name": "A"}, {"name": "A"}, {"name": "A"}], ["A", "A (2)", "A (3)"]),
        ([{"name": "A"}, {"name": "A (2)"}, {"name": "A"}], ["A", "A (2)", "A (3)"]),
        (
            [{"name": "North\n Bay"}, {"name": "\u202egnp"}, {"name": "x" * 1_000_000}],
            ["North Bay", "gnp", "x" * 199 + "…"],
        ),
    ],
)
def test_names_of_zones(tmp_path, rows, expected):
    path = write_geojson(tmp_path / "zones.geojson", zip(rows, SQUARES, strict=True))
    assert [zone.name for zone in read_zones(path)] == expected


@pytest.mark.slow
def test_many_zones_of_one_name_are_numbered(tmp_path):
    """The time is that of the number of zones, not of its square or cube: 20,000 would take hours."""
    rows = [({"name": "field"}, SQUARES[0])] * 20_000
    names = [zone.name for zone in read_zones(write_geojson(tmp_path / "zones.geojson", rows))]
    assert (names[0], names[1], names[-1], len(set(names))) == ("field", "field (2)", "field (20000)", 20_000)


def test_the_column_of_names_can_be_chosen(tmp_path):
    path = write_geojson(tmp_path / "zones.geojson", [({"name": "A", "district": "D"}, SQUARES[0])])
    assert [zone.name for zone in read_zones(path, "district")] == ["D"]
    with pytest.raises(TableError, match=r"no column 'distrikt'; found name, district; did you mean district."):
        read_zones(path, "distrikt")


@pytest.mark.parametrize("suffix", ["gpkg", "shp"])
def test_files_in_utm_have_their_place(tmp_path, suffix):
    """A square of 10 km on the central meridian of UTM is 0.9996² times as large in the plane as on the ellipsoid."""
    square = shapely.box(495_000, 6_000_000, 505_000, 6_010_000)
    path = write_vector(tmp_path / f"zones.{suffix}", "EPSG:32617", ["Å"], [square])
    [zone] = read_zones(path)
    assert zone.name == "Å"
    assert zone.geometry.centroid.x == pytest.approx(-81, abs=1e-6)
    assert polygon_hectares(zone.geometry) == pytest.approx(10_000 / 0.9996**2, rel=1e-6)


def test_geojson_of_other_reference_systems(tmp_path):
    square = shapely.box(495_000, 6_000_000, 505_000, 6_010_000)
    path = write_geojson(tmp_path / "z.geojson", [({}, square)], "urn:ogc:def:crs:EPSG::32617")
    assert polygon_hectares(read_zones(path)[0].geometry) == pytest.approx(10_000 / 0.9996**2, rel=1e-6)


def test_a_file_with_one_geometry_alone(tmp_path):
    (tmp_path / "z.geojson").write_text(shapely.to_geojson(SQUARES[0]))
    assert [(zone.name, zone.geometry.bounds) for zone in read_zones(tmp_path / "z.geojson")] == [
        ("1", SQUARES[0].bounds)
    ]


def test_zones_are_repaired(tmp_path):
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    [zone] = read_zones(write_geojson(tmp_path / "z.geojson", [({}, bow_tie)]))
    assert zone.geometry.area == pytest.approx(2)


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ([], "has no features; expected polygons"),
        ([({"name": "A"}, shapely.Point(1, 2))], r"z.geojson: feature 1 \(A\) is a Point; expected a Polygon"),
        ([({}, SQUARES[0]), ({}, shapely.Polygon())], r"feature 2 \(2\) is empty"),
        ([({}, shapely.box(5e5, 5e6, 6e5, 6e6))], "expected degrees of longitude and latitude: add the coordinate"),
    ],
)
def test_files_without_zones_are_refused(tmp_path, features, sentence):
    with pytest.raises(TableError, match=sentence):
        read_zones(write_geojson(tmp_path / "z.geojson", features))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("z.geojson", "{", "cannot be read as JSON"),
        ("z.geojson", '{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon"}}]}', "GeoJSON"),
        ("z.json", "[]", "is not a file of polygons; expected GeoJSON"),
        ("z.csv", "a,b\n1,2\n", "is not a file of polygons; expected GeoJSON or another of .geojson"),
        ("z.gpkg", "nothing", "cannot be read"),
    ],
)
def test_damaged_files_are_refused(tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=sentence):
        read_zones(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(TableError, match=r"zones.geojson: does not exist; looked for"):
        read_zones(tmp_path / "zones.geojson")


def test_a_zone_needs_a_polygon():
    with pytest.raises(DataError, match="zone A: is a LineString; expected a Polygon or MultiPolygon"):
        Zone("A", shapely.LineString([(0, 0), (1, 1)]))
