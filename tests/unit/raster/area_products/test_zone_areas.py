"""Hectares by zone, compared with areas that are computed pixel by pixel."""

import csv
import json

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from instageo.errors import ConfigError, RasterError
from instageo.raster.area_products import zone_areas
from instageo.raster.area_products.zone_areas import measure_zones
from instageo.raster.area_products.zone_files import write_zone_areas
from instageo.raster.area_products.zones import Zone
from instageo.raster.writing import ClassLegend
from instageo.vectors.polygons import polygon_hectares
from tests.unit.raster.area_products.area_reference import measure

LEGEND = ClassLegend(["land", "water", "snow"])


def utm(code):
    return CRS.from_epsg(code).to_wkt()


@pytest.fixture
def make_map(make_raster):
    """Function that writes random classes with missing pixels, 100 m each, whose centre is near a place."""

    def make(name, code, longitude, latitude, *, shape=(60, 70), missing=0.3, seed=0, pixel=100):
        from rasterio.warp import transform

        rng = np.random.default_rng(seed)
        values = rng.integers(0, 3, shape).astype(np.uint8)
        values[rng.random(shape) < missing] = 255
        [x], [y] = transform("EPSG:4326", f"EPSG:{code}", [longitude], [latitude])
        affine = Affine(pixel, 0, round(x, -2) - pixel * shape[1] // 2, 0, -pixel, round(y, -2) + pixel * shape[0] // 2)
        return make_raster(name, values, crs=utm(code), transform=affine, no_data_value=255, legend=LEGEND)

    return make


def check(paths, zone, *, num_classes=3):
    """Compare a zone with the reference; return what was measured."""
    [measured] = measure_zones(paths, [zone]).zones
    pixels, hectares, unobserved = measure(paths, zone.geometry, num_classes)
    assert [each.pixels for each in measured.classes] == pixels.tolist()
    assert [each.hectares for each in measured.classes] == pytest.approx(hectares.tolist(), rel=1e-6)
    assert measured.observed_hectares == pytest.approx(hectares.sum(), rel=1e-6)
    shares = [each.share_of_observed for each in measured.classes]
    assert shares == pytest.approx((hectares / hectares.sum()).tolist(), rel=1e-6)
    assert measured.zone_hectares == polygon_hectares(zone.geometry)
    return measured, unobserved


def test_a_zone_with_a_hole_in_one_map(make_map):
    path = make_map("map.tif", 32636, 33.2, -18.1)
    zone = Zone("A", shapely.Point(33.2, -18.1).buffer(0.02).difference(shapely.box(33.19, -18.11, 33.21, -18.1)))
    measured, unobserved = check([path], zone)
    assert measured.unobserved_hectares == pytest.approx(unobserved, rel=1e-6)
    assert measured.observed_share == pytest.approx(0.7, abs=0.03)
    assert measured.observed_hectares + measured.unobserved_hectares == pytest.approx(measured.zone_hectares, rel=0.01)


@pytest.mark.parametrize("latitude", [0.2, 45, 62, 79])
def test_two_utm_zones_whose_maps_overlap(make_map, latitude):
    """Zone 36 ends at 36 degrees east."""
    paths = [
        make_map("west.tif", 32636, 35.98, latitude, missing=0.5),
        make_map("east.tif", 32637, 36.01, latitude, missing=0.2, seed=1),
        make_map("coarse.tif", 32637, 36.0, latitude, missing=0.2, seed=2, pixel=300, shape=(12, 14)),
    ]
    zone = Zone("A", shapely.Polygon([(35.96, latitude - 0.02), (36.03, latitude - 0.01), (36, latitude + 0.02)]))
    measured, unobserved = check(paths, zone)
    assert measured.unobserved_hectares == pytest.approx(unobserved, rel=1e-6)
    assert sum(each.pixels for each in measured.classes) == measured.observed_pixels


def test_tiles_of_one_utm_zone_that_overlap(make_map):
    paths = [make_map(f"{number}.tif", 32636, 33 + number * 0.04, 10, seed=number) for number in range(3)]
    measured, unobserved = check(paths, Zone("A", shapely.box(32.975, 9.98, 33.1, 10.02)))
    assert measured.unobserved_hectares == pytest.approx(unobserved, rel=1e-6)


def test_part_of_a_zone_beyond_all_maps_is_unobserved(make_raster):
    """A zone twice as high as a map in degrees, of which the upper half lies on the map."""
    grid = {"crs": utm(4326), "transform": Affine(0.01, 0, 30, 0, -0.01, 10)}
    path = make_raster("map.tif", np.ones((50, 40), np.uint8), no_data_value=255, **grid)
    [measured] = measure_zones([path], [Zone("A", shapely.box(30, 9, 30.4, 10))]).zones
    assert measured.observed_hectares == pytest.approx(polygon_hectares(shapely.box(30, 9.5, 30.4, 10)), rel=1e-9)
    assert measured.unobserved_hectares == pytest.approx(polygon_hectares(shapely.box(30, 9, 30.4, 9.5)), rel=1e-9)
    assert measured.observed_share + measured.unobserved_share == 1


def test_a_zone_outside_all_maps(make_map):
    path, zone = make_map("map.tif", 32636, 33, 10), Zone("A", shapely.box(-10, 40, -9, 41))
    [measured] = measure_zones([path], [zone]).zones
    assert (measured.observed_hectares, measured.observed_share, measured.observed_pixels) == (0, 0, 0)
    assert measured.unobserved_hectares == polygon_hectares(zone.geometry)
    assert [(each.name, each.hectares, each.share_of_observed) for each in measured.classes] == [
        ("land", 0, 0), ("water", 0, 0), ("snow", 0, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("west", [179.97, -180.03])
def test_a_zone_across_180_degrees(make_map, west):
    paths = [make_map("west.tif", 32660, 179.99, -17), make_map("east.tif", 32601, -179.99, -17, seed=1)]
    zone = Zone("A", shapely.box(west, -17.02, west + 0.06, -16.99))
    measured, unobserved = check(paths, zone)
    assert measured.unobserved_hectares == pytest.approx(unobserved, rel=1e-6)
    assert measured.observed_hectares + unobserved == pytest.approx(measured.zone_hectares, rel=0.01)


def test_grids_in_degrees_that_go_beyond_180(make_raster):
    """The same pixels, once from 179 to 181 degrees, once cut, in another map from -180 to -179."""
    values = np.random.default_rng(0).integers(0, 2, (40, 200)).astype(np.uint8)
    zone = Zone("A", shapely.box(179.5, 0.1, 180.5, 0.3))
    grid = {"crs": utm(4326), "no_data_value": 255}
    whole = make_raster("whole.tif", values, transform=Affine(0.01, 0, 179, 0, -0.01, 0.4), **grid)
    parts = [
        make_raster("west.tif", values[:, :100], transform=Affine(0.01, 0, 179, 0, -0.01, 0.4), **grid),
        make_raster("east.tif", values[:, 100:], transform=Affine(0.01, 0, -180, 0, -0.01, 0.4), **grid),
    ]
    [one], [other] = measure_zones([whole], [zone]).zones, measure_zones(parts, [zone]).zones
    assert [each.pixels for each in one.classes] == np.bincount(values[10:30, 50:150].ravel()).tolist()
    assert [each.hectares for each in one.classes] == pytest.approx([each.hectares for each in other.classes])
    assert one.observed_hectares == pytest.approx(one.zone_hectares, rel=1e-9)
    assert one.unobserved_hectares == pytest.approx(0, abs=1e-6)


def test_edges_are_straight_in_degrees(make_map):
    """At 79 degrees a parallel is curved by many pixels over the width of this map."""
    path = make_map("map.tif", 32633, 15, 79, shape=(40, 1500), missing=0)
    zone = Zone("A", shapely.box(11.7, 78.99, 18.3, 79.01))
    check([path], zone)


def test_zones_that_overlap_are_measured_one_by_one(make_map):
    path = make_map("map.tif", 32636, 33.2, -18.1)
    zones = [Zone(f"{east}", shapely.box(33.19, -18.11, east, -18.09)) for east in (33.21, 33.2, 33.22)]
    together = measure_zones([path], zones).zones
    for zone, measured in zip(zones, together, strict=True):
        [alone] = measure_zones([path], [zone]).zones
        assert [each.pixels for each in measured.classes] == [each.pixels for each in alone.classes]
        assert measured.observed_hectares == pytest.approx(alone.observed_hectares, rel=1e-7)
        assert measured.unobserved_hectares == pytest.approx(alone.unobserved_hectares, rel=1e-7)
    assert [zone.zone for zone in together] == ["33.21", "33.2", "33.22"]


def test_cells_make_no_difference(make_map, monkeypatch):
    paths = [make_map("a.tif", 32636, 35.99, 10), make_map("b.tif", 32637, 36.01, 10, seed=1)]
    zones = [Zone("A", shapely.box(35.97, 9.98, 36.03, 10.02)), Zone("B", shapely.box(36, 10, 36.01, 10.01))]
    whole = measure_zones(paths, zones)
    monkeypatch.setattr(zone_areas, "CELL", 7)
    monkeypatch.setattr("instageo.raster.area_products.overlapping_maps.MAX_PIXELS", 10)
    for one, other in zip(whole.zones, measure_zones(paths, zones).zones, strict=True):
        assert [each.pixels for each in one.classes] == [each.pixels for each in other.classes]
        assert one.observed_hectares == pytest.approx(other.observed_hectares, rel=1e-7)
        assert one.unobserved_hectares == pytest.approx(other.unobserved_hectares, rel=1e-7)


def test_values_have_means_and_sums(make_raster, tmp_path):
    """On the central meridian of UTM: 30 m pixels of 0.09 ha / 0.9996²."""
    values = np.array([[1, 2, np.nan], [3, 4, 5]], np.float32)
    path = make_raster("map.tif", values, no_data_value=np.nan)
    zone = Zone("A, B", shapely.box(-81.1, 36, -80.9, 37))
    areas = measure_zones([path], [zone])
    [measured] = areas.zones
    assert (areas.has_classes, measured.classes, measured.observed_pixels) == (False, (), 5)
    assert measured.mean == pytest.approx(3, rel=1e-6)
    assert measured.sum == pytest.approx(15 * 0.09 / 0.9996**2, rel=1e-6)
    write_zone_areas(areas, tmp_path)
    [row] = csv.DictReader((tmp_path / "areas.csv").open())
    assert (row["zone"], row["pixels"], float(row["mean"])) == ("A, B", "5", measured.mean)
    assert json.loads((tmp_path / "areas.json").read_text())["zones"][0]["sum"] == measured.sum


def test_areas_are_written(make_map, tmp_path):
    path = make_map("map.tif", 32636, 33.2, -18.1)
    zones = [Zone("Ñandú", shapely.box(33.19, -18.11, 33.2, -18.1)), Zone("far", shapely.box(0, 0, 1, 1))]
    areas = measure_zones([path], zones)
    table, record = write_zone_areas(areas, tmp_path / "out")
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert list(rows[0]) == [
        "zone", "class", "name", "pixels", "hectares", "share_of_observed", "observed_share", "unobserved_share",
    ]  # fmt: skip
    assert [(float(row["observed_share"]), float(row["unobserved_share"])) for row in rows] == [
        (zone.observed_share, zone.unobserved_share) for zone in areas.zones for _ in zone.classes
    ]
    assert [(row["zone"], row["class"], row["name"]) for row in rows] == [
        (zone, str(number), name) for zone in ("Ñandú", "far") for number, name in enumerate(LEGEND.names)
    ]
    assert sum(float(row["hectares"]) for row in rows) == pytest.approx(areas.zones[0].observed_hectares)
    written = json.loads(record.read_text(encoding="utf-8"))
    assert (written["maps"], written["zones"][1]["observed_share"]) == (["map.tif"], 0)
    assert "ellipsoid WGS 84" in written["method"]
    assert written["zones"][0]["classes"][1]["hectares"] == areas.zones[0].classes[1].hectares


def test_no_zones_have_no_areas(make_map):
    assert measure_zones([make_map("map.tif", 32636, 33.2, -18.1)], []).zones == ()


def test_classes_without_names_have_numbers(make_raster):
    path = make_raster("map.tif", np.array([[0, 7], [7, 255]], np.uint8), no_data_value=255)
    [measured] = measure_zones([path], [Zone("A", shapely.box(-81.1, 36, -80.9, 37))]).zones
    assert [(each.number, each.name, each.pixels) for each in measured.classes] == [(0, "0", 1), (7, "7", 2)]


def test_maps_that_do_not_fit_are_refused(make_raster):
    zone = Zone("A", shapely.box(0, 0, 1, 1))
    classes = make_raster("classes.tif", np.zeros((2, 2), np.uint8), legend=LEGEND)
    with pytest.raises(RasterError, match=r"classes.tif and .*values.tif: one holds classes and the other one values"):
        measure_zones([classes, make_raster("values.tif", np.zeros((2, 2), np.float32))], [zone])
    others = make_raster("others.tif", np.zeros((2, 2), np.uint8), legend=ClassLegend(["a", "b"]))
    with pytest.raises(RasterError, match="have different class names, but maps of one area need the same"):
        measure_zones([classes, others], [zone])
    with pytest.raises(RasterError, match=r"nowhere.tif: has no georeference, so its pixels have no area"):
        measure_zones([make_raster("nowhere.tif", np.zeros((2, 2), np.uint8), crs=None)], [zone])
    with pytest.raises(ConfigError, match="need at least one map"):
        measure_zones([], [zone])
