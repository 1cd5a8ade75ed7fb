"""Areas of rasters and polygons: their chips, and the label maps of chips."""

import json
from datetime import date

import numpy as np
import pytest
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.warp import transform_geom

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.chip_sampling import sample_chips
from instageo.data.labelling.from_settings import label_areas
from instageo.data.labelling.label_areas import chips_of, label_of, search_points
from instageo.data.matching.placement import Frame
from instageo.errors import ConfigError, DataError, RasterError, TableError
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt

UTM = crs_wkt("EPSG:32632")
TILE = Frame("T32SNE", Grid(UTM, Affine(30, 0, 500_000, 0, -30, 4_000_000), 12, 12))
DAY = "2024-05-16"


def at(row, column, pixel=30):
    """Transform of labels whose first pixel lies at a pixel of the tile."""
    return Affine(pixel, 0, 500_000 + 30 * column, 0, -pixel, 4_000_000 - 30 * row)


def places(area, size=4, **options):
    return [(place.row, place.column) for place, _ in chips_of(area, TILE, size, **options)]


@pytest.fixture
def raster_areas(make_raster):
    """Function that writes a label raster and returns its areas."""

    def make(values, place, name="labels.tif", tags=None, no_data_value=None, **settings):
        path = make_raster(name, np.asarray(values), crs=UTM, transform=place, tags=tags, no_data_value=no_data_value)
        return label_areas(ChipSettings(input=str(path), **{"date": DAY, **settings}))

    return make


def ring(top, left, bottom, right):
    corners = [(top, left), (top, right), (bottom, right), (bottom, left), (top, left)]
    return [[500_000 + 30 * column, 4_000_000 - 30 * row] for row, column in corners]


def feature(corners, **properties):
    geometry = transform_geom(UTM, crs_wkt(WGS84), {"type": "Polygon", "coordinates": [ring(*corners)]})
    return {"type": "Feature", "properties": properties, "geometry": geometry}


@pytest.fixture
def feature_areas(tmp_path):
    """Function that writes GeoJSON and returns its areas."""

    def make(*features, **settings):
        path = tmp_path / "fields.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return label_areas(ChipSettings(input=str(path), **settings))

    return make


def test_cells_of_the_tile_that_a_raster_labels(raster_areas):
    labels = raster_areas(np.ones((5, 5), np.uint8), at(3, 4))  # rows 3 to 7, columns 4 to 8
    [area] = labels.areas
    assert (labels.classes, labels.count, area.day) == (True, 1, date(2024, 5, 16))
    assert places(area) == [(0, 4), (0, 8), (4, 4), (4, 8)]
    assert places(area, min_labelled=0.25) == [(0, 4), (4, 4), (4, 8)]  # 4, 1, 16 and 4 of 16 pixels
    assert places(area, min_labelled=0.5) == [(4, 4)]
    assert places(area, size=5) == [(row, column) for row in (0, 5, 7) for column in (0, 5, 7)]  # the last moved inward


def test_the_label_map_of_a_chip(raster_areas):
    values = np.array([[0, 1, 255], [1, 1, 7]], np.uint8)
    [area] = raster_areas(values, at(0, 0), no_data_value=255).areas
    labels = label_of(area, TILE.grid.window(0, 0, 3, 3))
    assert_array_equal(labels.values, [[0, 1, -1], [1, 1, 7], [-1, -1, -1]])
    assert (labels.values.dtype, labels.counts) == (np.int16, {0: 1, 1: 3, 7: 1})
    assert (labels.share, labels.numbers) == (5 / 9, (1,))


def test_rasters_of_decimals_are_values(raster_areas):
    labels = raster_areas(np.full((6, 6), 0.5, np.float32), at(0, 0, 15))
    [area] = labels.areas
    result = label_of(area, TILE.grid.window(0, 0, 3, 4))
    assert_array_equal(result.values, np.pad(np.full((3, 3), 0.5), ((0, 0), (0, 1)), constant_values=-9999))
    assert (labels.classes, result.values.dtype, result.counts) == (False, np.float32, {})
    assert "the mean of those within it" in labels.notes[0]


def test_labels_that_are_no_classes_are_refused(raster_areas):  # pitfall 65
    [area] = raster_areas(np.full((2, 2), 65535, np.uint16), at(0, 0)).areas
    with pytest.raises(DataError, match=r"has the label 65535.*--label-no-data 65535"):
        label_of(area, TILE.grid)
    [area] = raster_areas(np.full((2, 2), 0.5, np.float32), at(0, 0), label_type="class").areas
    with pytest.raises(DataError, match=r"has the label 0\.5.*--label-type value"):
        label_of(area, TILE.grid)
    [area] = raster_areas(np.full((2, 2), 65535, np.uint16), at(0, 0), label_no_data=65535).areas
    assert label_of(area, TILE.grid).share == 0


def test_codes_become_classes(raster_areas):
    [area] = raster_areas(np.array([[1, 5], [36, 0]], np.uint8), at(0, 0), class_map="1:0,5:1,36:1").areas
    labels = label_of(area, TILE.grid.window(0, 0, 2, 2))
    assert (labels.values.tolist(), labels.counts) == ([[0, 1], [1, -1]], {0: 1, 1: 2})


def test_dates_come_from_tags_then_the_option_then_names(raster_areas):
    def day(**options):
        [area] = raster_areas([[1]], at(0, 0), **options).areas
        return str(area.day)

    assert day(name="a_20230102.tif", tags={"DATE": "2022-03-04"}) == "2022-03-04"
    assert day(name="b_20230102.tif") == DAY
    assert day(name="c_20230102.tif", date=None) == "2023-01-02"
    with pytest.raises(TableError, match=r"row 1: d\.tif has no date in a tag or its name; pass --date"):
        raster_areas([[1]], at(0, 0), name="d.tif", date=None)


def test_a_folder_has_an_area_for_each_raster(raster_areas, make_raster, tmp_path):
    for name in ("b_20240101.tif", "a_20240601.tif"):
        make_raster(f"labels/{name}", np.ones((2, 2), np.uint8), transform=at(0, 0))
    labels = label_areas(ChipSettings(input=str(tmp_path / "labels")))
    assert [str(area.day) for area in labels.areas] == ["2024-06-01", "2024-01-01"]
    assert "taken from the name of a_20240601.tif and 1 other raster" in labels.notes[-1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableError, match="has no rasters"):
        label_areas(ChipSettings(input=str(tmp_path / "empty")))


def test_rotated_rasters_are_refused_before_any_search(raster_areas):  # pitfall 45
    with pytest.raises(RasterError, match="is rotated"):
        raster_areas([[1]], Affine(30, 5, 500_000, 5, -30, 4_000_000))


def test_classes_are_not_averaged(raster_areas):  # pitfall 63
    with pytest.raises(ConfigError, match="cannot average classes"):
        raster_areas(np.ones((1, 1), np.uint8), at(0, 0), resample="mean")


def test_polygons_of_each_day_are_an_area(feature_areas):
    labels = feature_areas(
        feature((0, 0, 2, 2), label=3, date="2024-05-16"),
        feature((5, 5, 7, 8), label=0, date="2024-06-01"),
        feature((1, 1, 3, 3), label=3, date="2024-05-16T10:00:00Z"),
    )
    may, june = labels.areas
    assert (str(may.day), str(june.day), labels.count) == ("2024-05-16", "2024-06-01", 3)
    assert places(may) == [(0, 0)]
    result = label_of(may, TILE.grid.window(0, 0, 4, 4))
    assert_array_equal(result.values == 3, [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    assert (result.counts, result.numbers, result.conflicts) == ({3: 7}, (1, 3), 0)
    assert places(june) == [(4, 4)]


def test_polygons_that_overlap_are_counted(feature_areas):  # pitfall 65
    both = feature((0, 0, 2, 2), label=1, date=DAY), feature((1, 1, 3, 3), label=2, date=DAY)
    [area] = feature_areas(*both).areas
    result = label_of(area, TILE.grid.window(0, 0, 3, 3))
    assert (result.values[1, 1], result.conflicts, result.counts) == (-1, 1, {1: 3, 2: 3})
    [area] = feature_areas(*both, on_conflict="first").areas
    assert label_of(area, TILE.grid.window(0, 0, 3, 3)).values[1, 1] == 1
    [area] = feature_areas(*both, on_conflict="error").areas
    with pytest.raises(DataError, match=r"features 1, 2 overlap with different labels in 1 pixels"):
        label_of(area, TILE.grid)


def test_search_points_cover_the_bounds(raster_areas):
    [area] = raster_areas([[1]], Affine(110_000, 0, 500_000, 0, -110_000, 4_000_000)).areas
    points = search_points(area)
    [[west, south, east, north]] = area.boxes.tolist()
    assert {points[0], points[-1]} == {(west, south), (east, north)}
    for positions in zip(*points, strict=True):
        assert np.diff(sorted(set(positions))).max() <= 0.5


def test_chips_are_chosen_by_seed():
    counts = [{0: 100}] * 8 + [{0: 50, 1: 50}] * 2
    assert sample_chips(counts, 20) == list(range(10))
    assert sample_chips(counts, 3, seed=4) == sample_chips(counts, 3, seed=4)
    assert len(set(sample_chips(counts, 3, seed=4))) == 3
    assert {8, 9} <= set(sample_chips(counts, 4, balance=True))  # the only chips with class 1
    assert sample_chips([{}, {}], 1, balance=True) in ([0], [1])
