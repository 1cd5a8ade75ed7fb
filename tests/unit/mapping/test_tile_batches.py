"""Tiles that are cut from strips are those of the whole file."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio

from instageo.model.scenes.date_layers import ReadingOptions
from instageo.model.scenes.scene_input import SceneFiles, open_scene_input
from instageo.model.scenes.tiles import TileRows
from tests.unit.mapping.conftest import NO_DATA, UTM, Content, make_predictor

HEIGHT, WIDTH, TILE = 200, 150, 48


def write_striped(path, values):
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=HEIGHT, width=WIDTH, dtype="int16", nodata=NO_DATA,
        crs="EPSG:32632", transform=UTM, tiled=True, blockxsize=64, blockysize=64, compress="deflate",
    ) as file:  # fmt: skip
        file.write(values)
    return str(path)


@pytest.fixture
def source(tmp_path, noise):
    values = noise(4, HEIGHT, WIDTH)
    values[:, 60:70, 40:90] = NO_DATA
    values[3, 100] = NO_DATA
    predictor = make_predictor(Content(2), 2, TILE, num_bands=2, num_dates=2)
    return open_scene_input(
        SceneFiles("scene", (write_striped(tmp_path / "scene.tif", values),)), predictor, ReadingOptions()
    ), predictor


def test_tiles_across_strips_are_windows_of_the_file(source):
    """Rows 40 to 88 lie in two strips of 64 rows."""
    scene, predictor = source
    whole, _ = predictor.read(scene.scene.paths[0], (), None)
    rows, columns = slice(40, 40 + TILE), [slice(left, left + TILE) for left in (0, 37, WIDTH - TILE)]
    with TileRows(scene, slice(0, WIDTH), slice(0, HEIGHT)) as tiles:
        tiles.read_until(rows.stop)
        batch = tiles.batch(rows, columns)
        assert np.array_equal(tiles.valid(rows, columns[1]), whole.valid[:, rows, columns[1]])
    for number, window in enumerate(columns):
        tile = whole.crop(rows, window)
        assert np.array_equal(batch.image[number], tile.image)
        assert np.array_equal(batch.valid[number], tile.valid)
        expected = scene.scene.grid.window(rows.start, window.start, TILE, TILE).center_lat_lon()
        np.testing.assert_allclose(batch.location_coords[number], expected, rtol=1e-7)
    assert batch.temporal_coords.shape == (3, 2, 2)
    assert batch.temporal_coords.isnan().all()


def test_tiles_of_a_panel_of_radar_lie_where_those_of_the_scene_do(source):
    """Pixels without backscatter are not observed; the panel begins at column 30."""
    scene, predictor = source
    radar = replace(scene, chip_format=replace(scene.chip_format, radar_unit="linear"))
    whole, _ = predictor.read(scene.scene.paths[0], (), None)
    rows, window = slice(0, TILE), slice(WIDTH - TILE, WIDTH)
    with TileRows(radar, slice(30, WIDTH), slice(0, HEIGHT)) as tiles:
        tiles.read_until(rows.stop)
        valid = tiles.valid(rows, window)
    assert not (valid & ~whole.valid[:, rows, window].numpy()).any()
    assert valid.any()
