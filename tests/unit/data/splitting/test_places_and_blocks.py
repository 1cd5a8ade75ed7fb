"""Places of chips, and blocks, clusters, components and regions of them."""

import json

import numpy as np
import pytest
import rasterio
from affine import Affine

from instageo.data.chip_tables.chip_table import read_chip_table
from instageo.data.chip_tables.places import find_places
from instageo.data.splitting.blocks import choose_block_km, find_blocks
from instageo.data.splitting.clusters import find_centers, nearest_center
from instageo.data.splitting.components import find_components
from instageo.data.splitting.regions import find_regions, folder_names
from instageo.errors import DataError, TableError
from instageo.geodesy.circles import Circles, great_circle_km, to_xyz
from tests.split_tables import clustered, dense, write_rows


def write_chip(path, crs="EPSG:32632"):
    affine = Affine(30, 0, 500_000, 0, -30, 5_000_000) if crs else Affine.identity()
    options = {"driver": "GTiff", "height": 224, "width": 224, "count": 1, "dtype": "uint8", "compress": "deflate"}
    with rasterio.open(path, "w", crs=crs, transform=affine, **options) as file:
        file.write(np.ones((1, 224, 224), "uint8"))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_footprints_of_files_come_before_columns(tmp_path):
    write_chip(tmp_path / "placed.tif")
    write_chip(tmp_path / "bare.tif", crs=None)
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    names = ["placed.tif", "bare.tif", "broken.tif", "x" * 300]  # the last one cannot be a name
    table = write_rows(
        tmp_path / "t.csv", [{"Input": name, "lat": 10 * bool(k % 2), "lon": 20} for k, name in enumerate(names)]
    )
    table.write_text(table.read_text().replace("broken.tif,0,20", "broken.tif,,"))
    places = find_places(read_chip_table(str(table)))
    np.testing.assert_array_equal(places.located, [True, True, False, True])
    assert places.circles.lonlat[0] == pytest.approx([9.043, 45.123], abs=1e-3)
    assert places.circles.radius_km[0] == pytest.approx(4.75, abs=0.01)
    np.testing.assert_array_equal(places.circles.lonlat[1], [20, 10])
    np.testing.assert_array_equal(places.circles.radius_km[1:], 0)
    assert [note.partition(",")[0] for note in places.notes] == [
        "2 chips are taken as points at lat and lon", "1 chip has no location",
    ]  # fmt: skip
    points = find_places(read_chip_table(str(table)), 2.0)
    np.testing.assert_allclose(points.circles.radius_km[[0, 1, 3]], np.sqrt(2))
    np.testing.assert_array_equal(points.circles.lonlat[0], [20, 0])


def test_blocks_have_equal_areas_and_wrap_around_the_earth():
    rng = np.random.default_rng(0)
    everywhere = np.c_[rng.uniform(-180, 180, 200_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 200_000)))]
    _, counts = np.unique(find_blocks(everywhere, 2000), return_counts=True)
    assert len(counts) == pytest.approx(510e6 / 2000**2, rel=0.15)  # the surface of the Earth, km²
    assert counts.min() / np.median(counts) > 0.6
    same = find_blocks(np.array([[-180.0, 0], [180, 0], [540, 0]]), 50)
    assert len(set(same)) == 1


def test_blocks_are_as_high_and_at_least_as_wide_as_asked():
    north = find_blocks(np.array([[10.0, latitude] for latitude in np.arange(40, 42, 0.001)]), 50)
    _, heights = np.unique(north, return_counts=True)
    assert heights[1:-1] * 0.111195 == pytest.approx([50] * len(heights[1:-1]), abs=0.3)
    east = find_blocks(np.array([[longitude, 60.1] for longitude in np.arange(10, 15, 0.001)]), 50)
    _, widths = np.unique(east, return_counts=True)
    assert (widths[1:-1] * 0.0554 > 49.5).all()  # a thousandth of a degree at 60.1 degrees north


def test_the_size_of_blocks_follows_buffer_and_extent():
    assert choose_block_km(Circles.around(dense(3000)), 0, 3) == 50
    assert choose_block_km(Circles.around(dense(3000), 4.75), 10, 3) == 97.5  # five times 10 + 2 x 4.75
    few = Circles.around(np.random.default_rng(0).uniform(0, 0.5, (300, 2)), 0.5)  # 55 km across
    assert choose_block_km(few, 0, 3) == 6.25
    assert choose_block_km(Circles.around([[0, 0]]), 0, 3) > 0


def test_clusters_are_found_whatever_the_order():
    places = clustered(1000, per_cluster=100)
    centers = find_centers(places, 10, 0)
    members = nearest_center(to_xyz(places), centers)
    assert len(np.unique(members)) == 10
    shuffled = np.random.default_rng(1).permutation(1000)
    np.testing.assert_allclose(find_centers(places[shuffled], 10, 0), centers)
    for point, member in zip(places[:50], members, strict=False):
        lonlat = np.degrees(np.c_[np.arctan2(centers[:, 1], centers[:, 0]), np.arcsin(centers[:, 2])])
        assert great_circle_km(lonlat, point).argmin() == member


def test_components_are_numbered_by_place():
    circles = Circles.around([[0.3, 0], [0, 0], [0.31, 0], [5, 0]])
    np.testing.assert_array_equal(find_components(circles, 2, 0.5), find_components(circles, 2, 0.5))
    turned = find_components(circles.take(np.array([3, 2, 1, 0])), 2, 0.5)
    np.testing.assert_array_equal(turned[::-1], find_components(circles, 2, 0.5))
    with pytest.raises(DataError, match="3 of 4 chips are linked by distances below 40 km"):
        find_components(circles, 40, 0.4)


def polygons(*boxes, crs=None):
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [
            [[west, south], [east, south], [east, north], [west, north], [west, south]]
        ]}}
        for name, west, south, east, north in boxes
    ]  # fmt: skip
    named = {"crs": {"type": "name", "properties": {"name": crs}}} if crs else {}
    return json.dumps({"type": "FeatureCollection", "features": features, **named})


def test_regions_are_the_polygons_that_contain_the_centres(tmp_path):
    (tmp_path / "r.geojson").write_text(polygons(("Süd", 0, 0, 10, 10), ("Nord", 0, 10, 10, 20), ("twice", 5, 5, 8, 8)))
    places = np.array([[1.0, 1], [1, 11], [6, 6], [50, 50]])
    assert find_regions(tmp_path / "r.geojson", places) == ["Süd", "Nord", "Süd", ""]
    (tmp_path / "utm.geojson").write_text(polygons(("A", 4e5, 4.9e6, 6e5, 5.1e6), crs="urn:ogc:def:crs:EPSG::32632"))
    assert find_regions(tmp_path / "utm.geojson", np.array([[9.0, 45], [9, 50]])) == ["A", ""]
    with pytest.raises(TableError, match="no attribute 'land'; found name"):
        find_regions(tmp_path / "r.geojson", places, "land")


def test_folders_of_regions_are_plain_and_different():
    names = folder_names(["Côte d'Ivoire", "a/b", "a b", "../..", "A B"])
    assert list(names.values()) == [
        "region_Côte_d_Ivoire",
        "region_a_b",
        "region_a_b_2",
        "region_region",
        "region_A_B_3",
    ]
