"""Labels on both sides of longitude 180, and labels that lie far apart."""

import json

import numpy as np
import pytest
from affine import Affine

from instageo.data.catalogs.boxes import search_boxes
from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.from_settings import label_areas
from instageo.data.labelling.label_areas import chips_of, label_of, search_points
from instageo.data.matching.placement import Frame
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from tests.items import tile_grid

DAY = "2024-05-16"
FRAMES = [Frame(tile, tile_grid(tile, 1830)) for tile in ("60NZF", "01NAA")]


def queries(area):
    return [query.box for query in search_boxes([(lon, lat, area.day, area.day) for lon, lat in search_points(area)])]


def box(west, south, east, north):
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def areas_of(tmp_path, *geometries):
    path = tmp_path / "fields.geojson"
    features = [{"type": "Feature", "properties": {"label": 1}, "geometry": geometry} for geometry in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return label_areas(ChipSettings(input=str(path), date=DAY)).areas


def test_a_raster_across_longitude_180(make_raster):  # pitfall 44
    grid = Grid(crs_wkt("EPSG:32660"), Affine(60, 0, 820_020, 0, -60, 100_020), 50, 500)
    path = make_raster("labels.tif", np.ones(grid.shape, np.uint8), crs=grid.crs, transform=grid.transform)
    [area] = label_areas(ChipSettings(input=str(path), date=DAY)).areas
    boxes = queries(area)
    assert all(west < east < west + 1 for west, _, east, _ in boxes)
    assert max(east for *_, east, _ in boxes) == 180
    assert min(west for west, *_ in boxes) == -180
    for frame in FRAMES:
        windows = chips_of(area, frame, 61)
        assert windows
        assert sum(int((labels.values == 1).sum()) for _, labels in windows) == pytest.approx(50 * 500, rel=0.02)


@pytest.mark.parametrize("turn", [0, 360, -360])
def test_polygons_across_longitude_180_in_each_way_of_writing(tmp_path, turn):  # pitfall 44
    """Cut at 180 as RFC 7946 has it, or whole with longitudes beyond 180 on one side."""
    cut = {"type": "MultiPolygon", "coordinates": [box(179.9, 0.5, 180, 0.6), box(-180, 0.5, -179.9, 0.6)]}
    west = 179.9 - 360 * (turn < 0)
    whole = {"type": "Polygon", "coordinates": box(west, 0.5, west + 0.2, 0.6)}
    [area] = areas_of(tmp_path, whole if turn else cut)
    assert all(east - west < 1 for west, _, east, _ in queries(area))
    for frame in FRAMES:
        [labels] = [label_of(area, frame.grid)]
        windows = chips_of(area, frame, 61)
        assert sum(int((own.values == 1).sum()) for _, own in windows) >= (labels.values == 1).sum() > 0
        rows, columns = np.nonzero(labels.values == 1)
        xs, ys = frame.grid.to_crs(rows + 0.5, columns + 0.5)
        lons, lats = map(np.array, transform_coordinates(frame.grid.crs, WGS84, xs, ys))
        assert (lons % 360).min() == pytest.approx(179.9, abs=0.001)
        assert (lons % 360).max() == pytest.approx(180.1, abs=0.001)
        assert (lats.min(), lats.max()) == pytest.approx((0.5, 0.6), abs=0.001)


def test_only_where_polygons_are_images_are_searched_and_labels_read(tmp_path):
    """One field in Kenya and one in Brazil: two searches, and only the cells of a tile that they touch."""
    fields = [{"type": "Polygon", "coordinates": box(*place)} for place in
              ((36.9, 0.1, 36.92, 0.12), (-60.3, -3.1, -60.28, -3.08))]  # fmt: skip
    [area] = areas_of(tmp_path, *fields)
    assert len(queries(area)) == 2
    grid = Grid(crs_wkt("EPSG:32637"), Affine(30, 0, 199_980, 0, -30, 100_020), 3660, 3660)
    windows = chips_of(area, Frame("T37NBA", grid), 224)
    assert len(windows) <= 4
    pixels = sum(int((labels.values == 1).sum()) for _, labels in windows)
    assert pixels == pytest.approx(2226.4 * 2211.5 / 900, rel=0.02)  # metres of 0.02 degrees, east and north


def test_longitudes_may_be_written_as_0_to_360(make_raster):
    path = make_raster(
        "labels.tif", np.ones((2, 4), np.uint8), crs=crs_wkt(WGS84), transform=Affine(0.1, 0, 190, 0, -0.1, 1)
    )
    [area] = label_areas(ChipSettings(input=str(path), date=DAY)).areas
    assert area.boxes.tolist() == [pytest.approx([-170, 0.8, -169.6, 1])]
    assert queries(area) == [pytest.approx((-170.01, 0.79, -169.59, 1.01))]
