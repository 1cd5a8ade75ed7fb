"""Polygons and points of vector files and tables."""

import json
import sys
from datetime import date

import numpy as np
import pyogrio
import pytest
import shapely

from instageo.data.labelling.features import read_features
from instageo.data.observations.points import TableFormat
from instageo.errors import MissingExtraError, TableError

SQUARE = "POLYGON ((8 47, 9 47, 9 48, 8 48, 8 47))"
LINE = "LINESTRING (8 47, 9 48)"
BOW = "POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))"


def write_geojson(path, rows, **members):
    features = [
        {"type": "Feature", "properties": properties,
         "geometry": None if wkt is None else json.loads(shapely.to_geojson(shapely.from_wkt(wkt)))}
        for wkt, properties in rows
    ]  # fmt: skip
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **members}))
    return path


def write_vector(path, crs="EPSG:32632"):
    fields = [np.array([4], np.int32), np.array(["2024-05-16"], "datetime64[D]")]
    pyogrio.raw.write(path, shapely.to_wkb([shapely.from_wkt(SQUARE)]), fields, ["class", "date"],
                      geometry_type="Polygon", crs=crs)  # fmt: skip
    return path


@pytest.mark.parametrize("name", ["fields.gpkg", "fields.shp"])
def test_geopackages_and_shapefiles(tmp_path, name):
    table = read_features(write_vector(tmp_path / name), TableFormat())
    [feature] = table.features
    assert (feature.label, str(feature.day), feature.geometry.area) == (4, "2024-05-16", 1)
    assert (table.classes, "32632" in table.crs) == (True, True)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_shapefiles_without_reference_system_are_refused(tmp_path):  # pitfall 45
    with pytest.raises(TableError, match=r"\.prj file is missing"):
        read_features(write_vector(tmp_path / "fields.shp", crs=None), TableFormat())


def test_the_missing_package_is_named(tmp_path, monkeypatch):
    path = write_vector(tmp_path / "fields.gpkg")
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(MissingExtraError, match=r"instageo-model\[vector\]"):
        read_features(path, TableFormat())


def test_tables_with_wkt_or_geojson(tmp_path):
    geojson = shapely.to_geojson(shapely.from_wkt("POINT (8 47)"))
    path = tmp_path / "records.csv"
    path.write_text(f"wkt;date;label\n{SQUARE};16.05.2024;1\n{geojson};17.05.2024;0\n".replace('"', '""')
                    .replace('{', '"{').replace('}', '}"'))  # fmt: skip
    first, second = read_features(path, TableFormat(date_format="%d.%m.%Y")).features
    assert (first.geometry.area, first.label, str(first.day)) == (1, 1, "2024-05-16")
    assert (second.geometry.geom_type, second.label) == ("Point", 0)


def test_geometries_larger_than_usual_cells_are_read(tmp_path):
    outline = shapely.to_wkt(shapely.Point(8, 47).buffer(1, quad_segs=3000))
    assert len(outline) > 131_072
    (tmp_path / "records.csv").write_text(f"geometry;date;label\n{outline};2024-05-16;1\n")
    assert len(read_features(tmp_path / "records.csv", TableFormat()).features) == 1


def test_all_problems_of_features_are_listed(tmp_path):
    good = {"label": 1, "date": "2024-05-16"}
    path = write_geojson(
        tmp_path / "fields.geojson",
        [(SQUARE, good), (LINE, good), (None, good), (SQUARE, good | {"date": "03/04/2021"}),
         (SQUARE, good | {"label": "wheat"})],
    )  # fmt: skip
    with pytest.raises(TableError) as caught:
        read_features(path, TableFormat())
    message = str(caught.value)
    assert "4 problems" in message
    assert "row 2: is a LineString; expected one of Polygon" in message
    assert "row 3: has no geometry" in message
    assert "row 4: date is '03/04/2021', which may be" in message
    assert "row 5: the label is 'wheat'" in message


def test_attributes_and_dates_can_be_named(tmp_path):
    path = write_geojson(tmp_path / "fields.geojson", [(SQUARE, {"crop": "rye"})])
    with pytest.raises(TableError, match="found crop; pass --class-field"):
        read_features(path, TableFormat())
    layout = TableFormat(class_map={"rye": 2})
    with pytest.raises(TableError, match="pass --date"):
        read_features(path, layout, class_field="crop")
    [feature] = read_features(path, layout, class_field="crop", day=date(2024, 1, 1)).features
    assert (feature.label, feature.text, feature.day.year) == (2, "rye", 2024)


def test_polygons_that_cross_themselves_are_repaired_and_told(tmp_path):
    table = read_features(write_geojson(tmp_path / "a.geojson", [(BOW, {"label": 1, "date": "2024-05-16"})]),
                          TableFormat())  # fmt: skip
    assert table.features[0].geometry.area == 2
    assert "1 polygon that crossed" in table.notes[-1]


@pytest.mark.parametrize(
    ("name", "crs"), [("urn:ogc:def:crs:EPSG::32632", "EPSG:32632"), ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326")]
)
def test_geojson_of_another_reference_system(tmp_path, name, crs):
    rows = [(SQUARE, {"label": 1, "date": "2024-05-16"})]
    path = write_geojson(tmp_path / "a.geojson", rows, crs={"type": "name", "properties": {"name": name}})
    assert read_features(path, TableFormat()).crs == crs
