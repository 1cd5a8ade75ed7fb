"""Maps of several UTM zones in one picture, compared with positions of pyproj."""

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer
from rasterio.crs import CRS

from instageo.errors import RasterError
from instageo.raster.area_products.overview_image import count_layers, fit_overview, read_overview
from instageo.raster.grid import Grid
from instageo.raster.writing import write_raster


def write(path, values, epsg, west, north, step=100.0, no_data=255):
    """Write a map whose upper left corner is (west, north) in metres."""
    grid = Grid(CRS.from_epsg(epsg).to_wkt(), Affine(step, 0, west, 0, -step, north), *values.shape[-2:])
    write_raster(path, values.reshape(-1, *values.shape[-2:]), grid, no_data_value=no_data)
    return path


def test_pictures_are_square_on_the_ground_and_contain_the_box():
    grid = fit_overview((10, 59, 12, 61), 200)
    west, south, east, north = grid.bounds
    assert west < 10
    assert east > 12
    assert south < 59
    assert north > 61
    assert max(grid.width, grid.height) == 200
    assert grid.lat_step / grid.lon_step == pytest.approx(0.5)  # the cosine of 60 degrees
    assert grid.position(west, north) == (0, 0)
    assert grid.position(east, south) == pytest.approx((grid.width, grid.height))


def test_two_zones_have_the_values_that_pyproj_finds(tmp_path):
    # Checkerboards of 4 km at both sides of longitude 36, the border of the zones 36 and 37.
    row, column = np.indices((600, 600)) // 40
    east = Transformer.from_crs(4326, 32637, always_xy=True)
    west = Transformer.from_crs(4326, 32636, always_xy=True)
    x0, y0 = (round(value, -2) for value in west.transform(36.0, 0.5))
    x1, y1 = (round(value, -2) for value in east.transform(36.0, 0.5))
    first = write(tmp_path / "36.tif", ((row + column) % 2).astype(np.uint8), 32636, x0 - 40_000, y0)
    second = write(tmp_path / "37.tif", (2 + (row + column) % 3).astype(np.uint8), 32637, x1 - 20_000, y1)
    grid = fit_overview((35.7, 0.1, 36.3, 0.4), 240)
    overview = read_overview([first, second], grid)
    rows, columns = np.indices((grid.height, grid.width))
    longitude, latitude = grid.west + (columns + 0.5) * grid.lon_step, grid.north - (rows + 0.5) * grid.lat_step
    expected = np.full(rows.shape, np.nan)
    near_border = np.zeros(rows.shape, bool)
    for transformer, left, top, kind in ((east, x1 - 20_000, y1, 1), (west, x0 - 40_000, y0, 0)):
        x, y = transformer.transform(longitude, latitude)
        i, j = (top - y) / 4000, (x - left) / 4000
        inside = (i >= 0) & (i < 15) & (j >= 0) & (j < 15)
        cells = np.floor(i) + np.floor(j)
        expected[inside] = (cells % 2 if kind == 0 else 2 + cells % 3)[inside]
        reach = 1.5 * grid.lat_step * 111 / 4  # of a cell: pixels of the picture, and of the map, next to its edge
        near_border |= (abs(i - np.round(i)) < reach) | (abs(j - np.round(j)) < reach)
    assert near_border.mean() < 0.5
    clear = ~near_border
    np.testing.assert_array_equal(overview.values[clear], expected[clear])
    assert set(np.unique(overview.values[clear])) == {0, 1, 2, 3, 4}
    assert set(np.unique(overview.source)) == {0, 1}


def test_the_first_map_with_an_observation_counts(tmp_path):
    half = np.full((100, 100), 7, np.uint8)
    half[:, :50] = 255
    first = write(tmp_path / "a.tif", half, 32636, 500_000, 100_000)
    second = write(tmp_path / "b.tif", np.full((100, 100), 3, np.uint8), 32636, 500_000, 100_000)
    overview = read_overview([first, second], fit_overview((33.01, 0.82, 33.08, 0.89), 100))
    assert overview.values[50, [20, 80]].tolist() == [3, 7]
    assert overview.source[50, [20, 80]].tolist() == [1, 0]


def test_maps_at_both_sides_of_the_antimeridian_meet(tmp_path):
    first = write(tmp_path / "60.tif", np.full((200, 200), 1, np.uint8), 32660, 814_000, 20_000)
    second = write(tmp_path / "1.tif", np.full((200, 200), 2, np.uint8), 32601, 165_500, 20_000)
    grid = fit_overview((179.95, 0.02, 180.05, 0.1), 100)
    values = read_overview([first, second], grid).values
    column, row = grid.position(179.97, 0.06)
    assert values[int(row), int(column)] == 1
    column, row = grid.position(180.03, 0.06)
    assert values[int(row), int(column)] == 2
    assert not np.isnan(values).any()


def test_layers_are_counted_and_chosen_and_places_beyond_maps_are_empty(tmp_path):
    path = write(tmp_path / "a.tif", np.stack([np.full((50, 50), n, np.uint8) for n in (4, 9)]), 32636, 500_000, 50_000)
    assert count_layers(path) == 2
    values = read_overview([path], fit_overview((33.0, 0.40, 33.2, 0.45), 100), layer=1).values
    assert values[10, 10] == 9
    assert np.isnan(values[:, 60:]).all()
    assert np.isnan(read_overview([path], fit_overview((50, 50, 51, 51), 20)).values).all()


def test_maps_without_georeference_are_refused(make_raster):
    path = make_raster("map.tif", np.zeros((4, 4), np.uint8), crs=None, transform=Affine.identity())
    with pytest.raises(RasterError, match="no georeference"):
        read_overview([path], fit_overview((0, 0, 1, 1), 10))
