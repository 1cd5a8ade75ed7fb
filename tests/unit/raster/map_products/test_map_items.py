"""STAC Items of maps."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pystac
import pytest
import shapely
from affine import Affine
from pystac.extensions.classification import ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from rasterio.crs import CRS

from instageo.errors import ConfigError
from instageo.raster.map_products.map_items import MapRecord, write_item_collection
from instageo.raster.reading import read_info
from instageo.raster.writing import ClassLegend

LEGEND = ClassLegend(["dry land", "ውሃ"], {0: (1, 2, 3), 1: (40, 50, 255)})
NOON = datetime(2026, 8, 12, 12, tzinfo=UTC)


def read(path):
    """Return the Items of a collection, after a check by the schema of STAC itself."""
    items = list(pystac.ItemCollection.from_file(str(path)))
    for item in items:
        core = item.clone()
        core.stac_extensions = []  # their schemas are on the network; the one of STAC itself comes with pystac
        core.validate()
    return items


@pytest.fixture
def make_map(make_raster):
    def make(name, **options):
        values = np.array([[0, 1, 255], [0, 0, 1]], np.uint8)
        return make_raster(name, values, no_data_value=255, bands=["class"], legend=LEGEND, **options)

    return make


def test_a_map_is_described(make_map, tmp_path):
    path = make_map("maps/flood map.tif")
    model = {"mlm:name": "floods tiny", "mlm:architecture": "prithvi"}
    write_item_collection([MapRecord(path, NOON, properties=model)], tmp_path / "items.json")
    [item] = read(tmp_path / "items.json")
    assert (item.id, item.datetime) == ("flood map", NOON)
    projection = ProjectionExtension.ext(item)
    assert (projection.code, projection.shape) == ("EPSG:32617", [2, 3])
    assert projection.transform == [30, 0, 500_000, 0, -30, 4_000_000]
    west, south, east, north = read_info(path).grid.bounds_lonlat()
    assert item.bbox == pytest.approx([west, south, east, north], abs=1e-6)
    outline = shapely.geometry.shape(item.geometry)
    assert (outline.is_valid, outline.exterior.is_ccw) == (True, True)
    assert outline.bounds == pytest.approx((west, south, east, north), abs=1e-6)
    asset = item.assets["map"]
    assert (asset.href, asset.roles) == ("./maps/flood%20map.tif", ["data"]) or asset.href.endswith(
        "maps/flood%20map.tif"
    )
    file = FileExtension.ext(asset)
    assert file.size == path.stat().st_size
    assert file.checksum == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()
    classes = ClassificationExtension.ext(asset).classes
    assert [(c.value, c.name, c.description, c.color_hint, c.nodata) for c in classes] == [
        (0, "dry-land", "dry land", "010203", None),
        (1, "class", "ውሃ", "2832FF", None),
        (255, "no-data", "no data", None, True),
    ]
    [band] = asset.extra_fields["bands"]
    assert (band["name"], band["data_type"], band["nodata"]) == ("class", "uint8", 255)
    assert band["raster:spatial_resolution"] == pytest.approx(30 / 0.9996, rel=1e-3)
    assert item.properties["mlm:name"] == "floods tiny"
    versions = {tuple(url.rsplit("/", 3)[1:3]) for url in item.stac_extensions}
    expected = {("projection", "v2.0.0"), ("classification", "v2.0.0"), ("raster", "v2.0.0"), ("file", "v2.1.0")}
    assert versions == expected | {("mlm", "v1.4.0")}


def test_links_in_the_file_are_relative(make_map, tmp_path):
    write_item_collection(
        [MapRecord(make_map("maps/a.tif"), NOON, cloud_optimized=True)], tmp_path / "out" / "items.json"
    )
    content = json.loads((tmp_path / "out" / "items.json").read_text())
    asset = content["features"][0]["assets"]["map"]
    assert asset["href"] == "../maps/a.tif"
    assert asset["type"].endswith("profile=cloud-optimized")
    assert str(tmp_path) not in json.dumps(content)


def test_periods_have_a_start_and_an_end(make_map, tmp_path):
    local = NOON.astimezone(timezone(timedelta(hours=3))) + timedelta(days=30)
    write_item_collection([MapRecord(make_map("a.tif"), NOON.replace(tzinfo=None), local)], tmp_path / "items.json")
    [item] = read(tmp_path / "items.json")
    assert item.datetime is None
    assert item.properties["start_datetime"] == "2026-08-12T12:00:00Z"
    assert item.properties["end_datetime"] == "2026-09-11T12:00:00Z"
    with pytest.raises(ConfigError, match="before it starts"):
        write_item_collection([MapRecord(Path(make_map("a.tif")), NOON, NOON - timedelta(1))], tmp_path / "b.json")


def test_maps_of_one_name_have_items_of_two(make_map, tmp_path):
    records = [MapRecord(make_map(f"{tile}/map.tif"), NOON) for tile in ("T37", "T38")]
    write_item_collection(records, tmp_path / "items.json")
    assert [item.id for item in read(tmp_path / "items.json")] == ["T37-map", "T38-map"]


def test_a_map_across_the_antimeridian(make_map, tmp_path):
    grid = {"crs": CRS.from_epsg(4326).to_wkt(), "transform": Affine(1, 0, 178, 0, -1, 1)}
    write_item_collection([MapRecord(make_map("a.tif", **grid), NOON)], tmp_path / "items.json")
    [item] = read(tmp_path / "items.json")
    assert item.bbox == [178, -1, -179, 1]
    assert item.geometry["type"] == "MultiPolygon"
    assert shapely.geometry.shape(item.geometry).area == 6


def test_maps_of_values_and_without_a_place(make_raster, tmp_path):
    path = make_raster(
        "a.tif", np.zeros((2, 2), np.float32), no_data_value=np.nan, crs=None, transform=Affine.identity()
    )
    write_item_collection([MapRecord(path, NOON)], tmp_path / "items.json")
    [item] = read(tmp_path / "items.json")
    assert (item.geometry, item.bbox) == (None, None)
    assert item.assets["map"].extra_fields["bands"][0]["nodata"] == "nan"
    assert "classification:classes" not in item.assets["map"].extra_fields


def test_systems_without_a_code_are_written_out(make_map, tmp_path):
    crs = CRS.from_string("+proj=laea +lat_0=9 +lon_0=39 +datum=WGS84 +units=m").to_wkt()
    write_item_collection([MapRecord(make_map("a.tif", crs=crs), NOON)], tmp_path / "items.json")
    [item] = read(tmp_path / "items.json")
    assert item.properties["proj:code"] is None
    assert CRS.from_wkt(item.properties["proj:wkt2"]) == CRS.from_wkt(crs)
