"""Polygons of maps: compared with connected components, histograms and the map itself."""

import json

import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from numpy.testing import assert_array_equal
from pyarrow import parquet
from rasterio.crs import CRS
from rasterio.features import rasterize, sieve
from scipy.ndimage import label

from instageo.errors import ConfigError, DataError, RasterError, WriteError
from instageo.raster.map_products import polygons
from instageo.raster.map_products.finished_map import open_map
from instageo.raster.map_products.map_areas import measure_classes
from instageo.raster.map_products.polygons import polygonize
from instageo.raster.map_products.scanlines import copy_to_scanlines
from instageo.raster.pixel_area import PixelAreas
from instageo.raster.writing import ClassLegend
from tests.disks import file_size_limit

NORTH_UP = Affine(30, 0, 500_000, 0, -30, 4_000_000)
SOUTH_UP = Affine(30, 0, 500_000, 0, 30, 4_000_000)
ROTATED = Affine(24, 18, 500_000, 18, -24, 4_000_000)
DEGREES = {"crs": CRS.from_epsg(4326).to_wkt(), "transform": Affine(0.01, 0, 38, 0, -0.01, 9)}
LEGEND = ClassLegend(["land", "water", "ጫካ"])


def random_map(height=120, width=170):
    """Classes 0 to 2 in patches of all sizes, and no-data in patches."""
    rng = np.random.default_rng(0)
    values = rng.choice(np.array([0, 0, 1, 2, 255], np.uint8), (height, width))
    values[:50, :100] = rng.choice(np.array([0, 1, 255], np.uint8), (5, 10)).repeat(10, axis=0).repeat(10, axis=1)
    values[70:75], values[100:, 90:92] = 1, 255
    return values


def read(path, **options):
    """Return geometries and columns of a file of polygons."""
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        return shapely.from_wkb(columns.pop("geometry")), columns
    if path.suffix == ".geojson":
        features = json.loads(path.read_text())["features"]
        columns = {name: [feature["properties"][name] for feature in features] for name in features[0]["properties"]}
        return [shapely.geometry.shape(feature["geometry"]) for feature in features], columns
    info, _, geometries, values = pyogrio.raw.read(path, **options)
    return shapely.from_wkb(geometries), dict(zip(info["fields"], values, strict=True))


def count_components(values):
    return {number: label(values == number)[1] for number in np.unique(values) if number != 255}


@pytest.mark.parametrize("suffix", ["gpkg", "parquet"])
@pytest.mark.parametrize("transform", [NORTH_UP, SOUTH_UP, ROTATED], ids=["north-up", "south-up", "rotated"])
def test_polygons_are_the_components_of_the_map(make_raster, tmp_path, suffix, transform):
    values = random_map()
    path = make_raster("map.tif", values, no_data_value=255, legend=LEGEND, transform=transform)
    report = polygonize(path, tmp_path / f"map.{suffix}")
    geometries, columns = read(tmp_path / f"map.{suffix}")
    assert report.polygons == len(geometries)
    numbers = np.array(columns["class"])
    assert {number: int((numbers == number).sum()) for number in (0, 1, 2)} == count_components(values)
    assert [columns["name"][index] for index in range(20)] == [LEGEND.names[number] for number in numbers[:20]]
    pixels, hectares = np.array(columns["pixels"]), np.array(columns["hectares"])
    for area in measure_classes(path).classes:
        assert pixels[numbers == area.number].sum() == area.pixels
        assert hectares[numbers == area.number].sum() == pytest.approx(area.hectares)
    np.testing.assert_allclose(shapely.area(geometries) / 1e4, pixels * 0.09)
    np.testing.assert_allclose(hectares, pixels * 0.09 / measure_classes(path).planar_scale, rtol=1e-4)
    assert shapely.is_valid(geometries).all()
    outlines = shapely.get_exterior_ring(geometries)
    assert shapely.is_ccw(outlines).all()
    assert not shapely.is_ccw(shapely.get_interior_ring(geometries, 0)).any()
    drawn = rasterize(zip(geometries, numbers, strict=True), values.shape, fill=255, transform=transform, dtype="uint8")
    assert_array_equal(drawn, values)


def test_polygons_in_degrees_have_areas_on_the_ellipsoid(make_raster, tmp_path):
    path = make_raster("map.tif", random_map(), no_data_value=255, **DEGREES)
    polygonize(path, tmp_path / "map.parquet")
    _, columns = read(tmp_path / "map.parquet")
    for area in measure_classes(path).classes:
        chosen = np.array(columns["class"]) == area.number
        assert np.array(columns["hectares"])[chosen].sum() == pytest.approx(area.hectares, rel=1e-12)


def test_columns_have_areas_of_their_own(make_raster, tmp_path, monkeypatch):
    """Squares of 3 pixels over the borders of bands of 5 pixels, whose areas differ much."""
    areas = PixelAreas(np.add.outer(np.arange(20.0), 100 * np.arange(4)), np.arange(0, 21, 5))
    monkeypatch.setattr(polygons, "compute_pixel_areas", lambda _: areas)
    values = np.kron(np.indices((7, 7)).sum(axis=0) % 2, np.ones((3, 3)))[:20, :20].astype(np.uint8)
    polygonize(make_raster("map.tif", values), tmp_path / "map.parquet")
    geometries, columns = read(tmp_path / "map.parquet")
    by_pixel = areas.km2.repeat(5, axis=1) * 100
    for geometry, hectares in zip(geometries, columns["hectares"], strict=True):
        inside = rasterize([geometry], values.shape, transform=NORTH_UP, dtype="uint8") == 1
        assert hectares == pytest.approx(by_pixel[inside].sum())


def test_corners_are_counted_without_polygons(make_raster, tmp_path):
    path = make_raster("map.tif", random_map(400, 103), no_data_value=255)
    with open_map(path) as file:
        scanlines = copy_to_scanlines(file, tmp_path)
    traced = sum(len(ring) - 1 for polygon in scanlines.trace() for ring in polygon.rings)
    assert scanlines.count_corners() == traced


def test_a_square_with_a_hole(make_raster, tmp_path):
    values = np.zeros((5, 5), np.uint8)
    values[1:4, 1:4], values[2, 2] = 1, 0
    polygonize(make_raster("map.tif", values), tmp_path / "map.gpkg", classes=[1], layer="ring")
    [ring], columns = read(tmp_path / "map.gpkg", layer="ring")
    assert columns["pixels"].tolist() == [8]
    outer, inner = (
        shapely.box(500_030, 3_999_880, 500_120, 3_999_970),
        shapely.box(500_060, 3_999_910, 500_090, 3_999_940),
    )
    assert ring.equals(shapely.difference(outer, inner))
    assert len(ring.exterior.coords) + len(ring.interiors[0].coords) == 10


@pytest.mark.parametrize("least", [{"min_pixels": 4}, {"min_hectares": 0.36}])
def test_small_patches_join_their_largest_neighbor(make_raster, tmp_path, least):
    values = random_map()
    path = make_raster("map.tif", values, no_data_value=255)
    report = polygonize(path, tmp_path / "map.parquet", **least)
    geometries, columns = read(tmp_path / "map.parquet")
    drawn = rasterize(
        zip(geometries, columns["class"], strict=True), values.shape, fill=255, transform=NORTH_UP, dtype="uint8"
    )
    assert_array_equal(drawn, np.where(values == 255, 255, sieve(values, 4, mask=values != 255)))
    assert_array_equal(drawn == 255, values == 255)  # neither filled nor grown
    assert (report.min_pixels, sum(columns["pixels"])) == (4, (values != 255).sum())


def test_uint16_classes(make_raster, tmp_path):
    path = make_raster("map.tif", np.array([[300, 300], [7, 65535]], np.uint16), no_data_value=65535)
    polygonize(path, tmp_path / "map.gpkg")
    assert sorted(read(tmp_path / "map.gpkg")[1]["class"]) == [7, 300]


def test_a_map_without_georeference_has_polygons_in_pixels(make_raster, tmp_path):
    path = make_raster("map.tif", np.zeros((2, 3), np.uint8), crs=None, transform=Affine.identity())
    for suffix in ("gpkg", "parquet"):
        polygonize(path, tmp_path / f"map.{suffix}")
        [polygon], columns = read(tmp_path / f"map.{suffix}")
        assert polygon.bounds == (0, 0, 3, 2)
        assert columns["hectares"][0] is None or np.isnan(columns["hectares"][0])
    with pytest.raises(RasterError, match=r"map\.tif: has no georeference, but GeoJSON"):
        polygonize(path, tmp_path / "map.geojson")
    with pytest.raises(RasterError, match="use min_pixels"):
        polygonize(path, tmp_path / "map.gpkg", min_hectares=1)


@pytest.mark.parametrize(
    ("code", "easting"),
    [(32632, 500_000), (32630, 909_000), (32637, 100_000)],
    ids=["middle of a zone", "tile 30NZF", "tile 37NAA"],
)
def test_four_pixels_of_30_m_are_0_36_hectares_in_all_tiles(make_raster, tmp_path, code, easting):
    """On the ground, pixels at the equator have 900.7 m2 at the middle of a zone, and 897 m2 on tiles over its edge."""
    values = np.zeros((9, 9), np.uint8)
    values[1:3, 1:3], values[5, 5:8] = 1, 2
    crs, transform = CRS.from_epsg(code).to_wkt(), Affine(30, 0, easting, 0, -30, 100_000)
    path = make_raster("map.tif", values, crs=crs, transform=transform)
    assert polygonize(path, tmp_path / "map.parquet", min_hectares=0.36).min_pixels == 4
    assert sorted(read(tmp_path / "map.parquet")[1]["class"]) == [0, 1]


def test_a_least_area_on_a_map_beyond_a_pole_is_refused(make_raster, tmp_path):
    """The first two of its eight rows have an area."""
    degrees = {"crs": DEGREES["crs"], "transform": Affine(1, 0, 0, 0, -1, -88)}
    path = make_raster("map.tif", np.zeros((8, 3), np.uint8), **degrees)
    with pytest.raises(RasterError, match="use min_pixels"):
        polygonize(path, tmp_path / "map.gpkg", min_hectares=1)


def test_geoparquet_says_where_it_lies(make_raster, tmp_path):
    polygonize(make_raster("map.tif", np.zeros((2, 3), np.uint8)), tmp_path / "map.parquet")
    geo = json.loads(parquet.read_metadata(tmp_path / "map.parquet").metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert column["crs"]["id"] == {"authority": "EPSG", "code": 32617}
    assert column["bbox"] == [500_000, 4_000_000 - 60, 500_090, 4_000_000]


def test_a_map_without_a_valid_pixel_has_no_polygon(make_raster, tmp_path):
    path = make_raster("map.tif", np.full((3, 3), 255, np.uint8), no_data_value=255)
    for suffix in ("gpkg", "parquet", "geojson"):
        assert polygonize(path, tmp_path / f"map.{suffix}", min_pixels=2).polygons == 0
    assert json.loads((tmp_path / "map.geojson").read_text())["features"] == []


def test_nothing_is_left_but_the_result(make_raster, tmp_path):
    path = make_raster("map.tif", random_map(), no_data_value=255)
    polygonize(path, tmp_path / "out" / "map.gpkg", min_pixels=3, classes=[0])
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["map.gpkg"]


def test_too_many_polygons_are_told_before_they_are_made(make_raster, tmp_path):
    values = (np.random.default_rng(0).random((150, 150)) < 0.2).astype(np.uint8)
    path = make_raster("map.tif", values)
    with pytest.raises(
        RasterError, match=r"million corners .* more than 1 MB; raise min_pixels \(now 1\) or memory_mb"
    ):
        polygonize(path, tmp_path / "map.gpkg", memory_mb=1)
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]
    assert polygonize(path, tmp_path / "map.gpkg", memory_mb=1, min_pixels=20).polygons == 1


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "parquet"])
@pytest.mark.parametrize("limit", [15_000, 30_000])
def test_a_disk_that_refuses_leaves_nothing(make_raster, tmp_path, suffix, limit):
    path = make_raster("map.tif", random_map(), no_data_value=255)
    with file_size_limit(limit), pytest.raises(WriteError, match=rf"map\.{suffix}: cannot be written: "):
        polygonize(path, tmp_path / f"map.{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]


def test_wrong_requests_are_told(make_raster, tmp_path):
    path = make_raster("map.tif", np.zeros((2, 3), np.uint8))
    with pytest.raises(DataError, match=r"map\.shp: polygons are written as \.gpkg, \.geojson, \.parquet"):
        polygonize(path, tmp_path / "map.shp")
    with pytest.raises(ConfigError, match="min_pixels is 0"):
        polygonize(path, tmp_path / "map.gpkg", min_pixels=0)
    values = make_raster("values.tif", np.zeros((2, 3), np.float32))
    with pytest.raises(RasterError, match=r"values\.tif: holds float32 values, but polygons need"):
        polygonize(values, tmp_path / "map.gpkg")
