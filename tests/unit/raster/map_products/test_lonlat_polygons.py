"""Polygons of maps as GeoJSON (RFC 7946)."""

import json

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.map_products.map_areas import measure_classes
from instageo.raster.map_products.polygons import polygonize
from instageo.raster.reading import read_info


def wkt(code):
    return CRS.from_epsg(code).to_wkt()


def read(path):
    features = json.loads(path.read_text())["features"]
    return [shapely.geometry.shape(feature["geometry"]) for feature in features], features


def spherical_hectares(geometry):
    """Area on a sphere of the Earth's size, which is that on the ellipsoid to 1 %."""
    total = 0.0
    for part in shapely.get_parts(geometry):
        for number, ring in enumerate([part.exterior, *part.interiors]):
            longitudes, latitudes = np.radians(ring.coords).T
            middle = np.sin((latitudes[1:] + latitudes[:-1]) / 2)
            total += (-1 if number else 1) * abs((np.diff(longitudes) * middle).sum())
    return total * 6371.0072**2 * 100


def test_a_map_in_utm_lies_in_longitude_and_latitude(make_raster, tmp_path):
    values = np.zeros((300, 200), np.uint8)
    values[100:200, 50:150], values[120:130, 60:70] = 1, 0
    path = make_raster("map.tif", values)
    polygonize(path, tmp_path / "map.geojson", layer="water & land")
    geometries, features = read(tmp_path / "map.geojson")
    assert json.loads((tmp_path / "map.geojson").read_text())["name"] == "water & land"
    assert shapely.is_valid(geometries).all()
    for geometry, feature in zip(geometries, features, strict=True):
        assert geometry.exterior.is_ccw
        assert not any(hole.is_ccw for hole in geometry.interiors)
        assert spherical_hectares(geometry) == pytest.approx(feature["properties"]["hectares"], rel=0.01)
    assert shapely.union_all(geometries).area == pytest.approx(sum(part.area for part in geometries))
    assert shapely.total_bounds(geometries) == pytest.approx(read_info(path).grid.bounds_lonlat(), abs=1e-4)


def test_neighbors_share_the_vertices_of_long_edges(make_raster, tmp_path):
    """A straight edge of 2000 pixels of 100 m bends by a kilometre, and so have to do those of all neighbours."""
    values = np.zeros((2000, 3), np.uint8)
    values[:700, 1], values[700:, 1], values[:, 2] = 1, 2, 3
    path = make_raster("map.tif", values, transform=Affine(100, 0, 700_000, 0, -100, 7_000_000))
    polygonize(path, tmp_path / "map.geojson")
    geometries, _ = read(tmp_path / "map.geojson")
    whole = shapely.union_all(geometries)
    assert sum(part.area for part in geometries) == pytest.approx(whole.area, rel=1e-5)
    assert sum(len(part.interiors) for part in shapely.get_parts(whole)) <= 1


@pytest.mark.parametrize("west", [178.0, -182.0, 538.0])
def test_degrees_across_the_antimeridian_are_cut(make_raster, tmp_path, west):
    values = np.zeros((4, 8), np.uint8)
    values[1:3, 3:5] = 1  # from 179.5 to 180.5 degrees
    path = make_raster("map.tif", values, crs=wkt(4326), transform=Affine(0.5, 0, west, 0, -0.5, 1))
    polygonize(path, tmp_path / "map.geojson", classes=[1])
    [geometry], _ = read(tmp_path / "map.geojson")
    assert sorted(part.bounds for part in geometry.geoms) == [(-180, -0.5, -179.5, 0.5), (179.5, -0.5, 180, 0.5)]
    assert all(part.exterior.is_ccw for part in geometry.geoms)


def test_utm_across_the_antimeridian_is_cut(make_raster, tmp_path):
    values = np.zeros((30, 40), np.uint8)
    values[10:20, 20:30] = 1
    path = make_raster("map.tif", values, crs=wkt(32601), transform=Affine(5000, 0, 70_000, 0, -5000, 100_000))
    polygonize(path, tmp_path / "map.geojson")
    geometries, features = read(tmp_path / "map.geojson")
    assert max(abs(shapely.total_bounds(geometries)[[0, 2]])) <= 180
    for geometry, feature in zip(geometries, features, strict=True):
        assert shapely.is_valid(geometry)
        assert spherical_hectares(geometry) == pytest.approx(feature["properties"]["hectares"], rel=0.02)
    assert any(geometry.geom_type == "MultiPolygon" for geometry in geometries)


def test_the_whole_globe_stays_whole(make_raster, tmp_path):
    path = make_raster(
        "map.tif", np.zeros((18, 36), np.uint8), crs=wkt(4326), transform=Affine(10, 0, -180, 0, -10, 90)
    )
    polygonize(path, tmp_path / "map.geojson")
    [globe], [feature] = read(tmp_path / "map.geojson")
    assert globe.bounds == (-180, -90, 180, 90)
    assert feature["properties"]["hectares"] == pytest.approx(measure_classes(path).hectares)


def test_a_polygon_around_a_pole_is_refused(make_raster, tmp_path):
    path = make_raster(
        "map.tif", np.zeros((8, 8), np.uint8), crs=wkt(3031), transform=Affine(1e5, 0, -4e5, 0, -1e5, 4e5)
    )
    with pytest.raises(RasterError, match=r"map\.tif: a polygon contains a pole, which GeoJSON cannot hold"):
        polygonize(path, tmp_path / "map.geojson")
    assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]


def test_other_datums_are_transformed(make_raster, tmp_path):
    """ED50 lies some 100 m from WGS 84."""
    path = make_raster("map.tif", np.zeros((2, 2), np.uint8), crs=wkt(4230), transform=Affine(1, 0, 10, 0, -1, 50))
    polygonize(path, tmp_path / "map.geojson")
    [geometry], _ = read(tmp_path / "map.geojson")
    assert 0.0005 < abs(geometry.bounds[0] - 10) < 0.002


@pytest.mark.parametrize(("size", "north"), [(1e6, 0), (1, 200), (0.25, 91.5)])
def test_geojson_of_a_map_beyond_the_earth_is_refused(make_raster, tmp_path, size, north):
    """A polygon 3 million degrees wide would be cut at 16,667 antimeridians."""
    transform = Affine(size, 0, 0, 0, -size, north)
    path = make_raster("map.tif", np.zeros((2, 3), np.uint8), crs=wkt(4326), transform=transform)
    with pytest.raises(RasterError, match="a polygon lies beyond the Earth's edge"):
        polygonize(path, tmp_path / "map.geojson")


def test_geojson_of_a_grid_whose_centres_lie_on_poles_and_antimeridian(make_raster, tmp_path):
    transform = Affine(0.5, 0, -180.25, 0, -0.5, 90.25)
    path = make_raster("map.tif", np.zeros((361, 721), np.uint8), crs=wkt(4326), transform=transform)
    polygonize(path, tmp_path / "map.geojson")
    assert len(read(tmp_path / "map.geojson")[0]) == 1
