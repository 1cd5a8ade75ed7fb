"""Files of polygons: GeoParquet; other formats are tested with what reads them."""

import json

import numpy as np
import pytest
import shapely
from rasterio.crs import CRS

from instageo.errors import TableError
from instageo.raster.map_products.polygons import polygonize
from instageo.vectors.vector_files import read_vector_file


def write_parquet(path, metadata, columns):
    pa = pytest.importorskip("pyarrow", reason="the format is not installed")
    from pyarrow import parquet

    table = pa.table(columns).replace_schema_metadata(metadata)
    parquet.write_table(table, path)
    return path


def test_polygons_of_a_map_are_read_from_geoparquet(make_raster, tmp_path):
    path = make_raster("map.tif", np.array([[0, 1], [0, 0]], np.uint8))
    polygonize(path, tmp_path / "map.parquet")
    rows = read_vector_file(tmp_path / "map.parquet")
    areas = {row["class"]: geometry.area for (_, row), (_, geometry) in zip(rows.rows, rows.geometries, strict=True)}
    assert areas == {0: 2700, 1: 900}
    assert CRS.from_user_input(rows.crs) == CRS.from_epsg(32617)


def test_geoparquet_without_a_reference_system_is_in_degrees(tmp_path):
    geo = {"primary_column": "shape", "columns": {"shape": {"encoding": "WKB"}}}
    columns = {"shape": [shapely.to_wkb(shapely.box(0, 0, 1, 1)), None]}
    rows = read_vector_file(write_parquet(tmp_path / "a.parquet", {"geo": json.dumps(geo)}, columns))
    assert (rows.crs, rows.columns, rows.rows) == ("EPSG:4326", (), [(1, {}), (2, {})])
    assert rows.geometries[1] == (2, None)


def test_parquet_without_geometries_is_a_table(tmp_path):
    assert read_vector_file(write_parquet(tmp_path / "a.parquet", {}, {"geometry": ["POINT (1 2)"]})) is None


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ({"encoding": "point"}, "encoded as point"),
        ({}, "cannot be read as GeoParquet"),
        ({"encoding": "WKB", "crs": None}, "has no coordinate reference system"),
    ],
)
def test_geoparquet_of_other_kinds_is_refused(tmp_path, column, sentence):
    geo = json.dumps({"primary_column": "shape", "columns": {"shape": column}})
    path = write_parquet(tmp_path / "a.parquet", {"geo": geo}, {"shape": [shapely.to_wkb(shapely.Point(1, 2))]})
    with pytest.raises(TableError, match=sentence):
        read_vector_file(path)


def test_a_damaged_file_is_refused(tmp_path):
    pytest.importorskip("pyarrow", reason="the format is not installed")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        read_vector_file(tmp_path / "a.parquet")


def test_json_of_many_levels_is_refused(tmp_path):
    path = tmp_path / "deep.geojson"
    path.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(TableError, match="cannot be read as JSON \\(too many levels\\); expected GeoJSON"):
        read_vector_file(path)
