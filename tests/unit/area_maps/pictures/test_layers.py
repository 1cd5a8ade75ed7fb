"""Layers of an area in two UTM zones: each pixel is that of its longitude and latitude."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from instageo.area_maps.pictures.change_layer import NOT_COMPARED, draw_change_layer
from instageo.area_maps.pictures.layers import UNOBSERVED, colors_of, draw_coverage_layers, draw_map_layer, lay_out
from instageo.area_maps.pictures.palette_image import BEYOND, FIRST, HATCH_COLORS, HATCH_DARK, HATCH_LIGHT
from instageo.area_maps.request import AreaRequest, Days
from instageo.raster.area_products.change_colors import change_colors
from instageo.raster.grid import Grid
from instageo.raster.reading import open_raster
from instageo.raster.writing import write_raster
from tests.unit.area_maps.example import (
    COLORS,
    NAMES,
    class_at,
    image_at,
    inside,
    make_change_maps,
    make_changes,
    make_maps,
)

SIDE = 400
MARGIN = 0.0025
"""Degrees next to borders that are not compared: two pixels of the maps, or of the picture."""


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    return make_maps(tmp_path_factory.mktemp("maps") / "out")


def centers(canvas):
    """Longitudes and latitudes of the pixels."""
    grid = canvas.grid
    rows, columns = np.indices((grid.height, grid.width))
    return grid.west + (columns + 0.5) * grid.lon_step, grid.north - (rows + 0.5) * grid.lat_step


def steady(function, longitude, latitude):
    """Whether a function of places has one value all around each place."""
    steps = [(x, y) for x in (-MARGIN, 0, MARGIN) for y in (-MARGIN, 0, MARGIN)]
    values = [function(longitude + x, latitude + y) for x, y in steps]
    return np.all([value == values[0] for value in values], axis=0)


def expected_class(longitude, latitude):
    """Class, -1 without an observation, -2 beyond the area."""
    classes = np.where(image_at(longitude, latitude) == 255, -1, class_at(longitude, latitude).astype(int))
    return np.where(inside(longitude, latitude), classes, -2)


def expected_day(longitude, latitude):
    """Rank of the day: the western map counts as far as longitude 36.03, and its images are one day older."""
    image = image_at(longitude, latitude).astype(int)
    days = np.where(image == 255, -1, image + (longitude > 36.03))
    return np.where(inside(longitude, latitude), days, -2)


def check(image, expected, canvas):
    longitude, latitude = centers(canvas)
    clear = steady(expected, longitude, latitude)
    wanted = expected(longitude, latitude)
    assert clear.mean() > 0.8
    for value in np.unique(wanted):
        shown = set(np.unique(image.index[clear & (wanted == value)]).tolist())
        assert shown == {-2: {BEYOND}, -1: {HATCH_DARK, HATCH_LIGHT}}.get(int(value), {int(value) + FIRST})


def test_classes_lie_where_longitude_and_latitude_say(maps):
    canvas = lay_out(maps, SIDE)
    layer = draw_map_layer(maps, canvas)
    check(layer.image, expected_class, canvas)
    assert [tuple(layer.image.colors[FIRST + number]) for number in COLORS] == list(COLORS.values())
    assert [entry.name for entry in layer.entries] == [*NAMES, UNOBSERVED]


def test_days_are_those_of_the_first_map_with_an_observation(maps):
    canvas = lay_out(maps, SIDE)
    [layer] = draw_coverage_layers(maps, canvas)
    check(layer.image, expected_day, canvas)
    assert [entry.name for entry in layer.entries] == ["2026-11-20", "2026-11-21", "2026-11-24", UNOBSERVED]
    assert layer.entries[0].note == "2 images"


def test_shares_are_those_of_the_geometry(maps):
    canvas = lay_out(maps, SIDE)
    shares = {entry.name: entry.share for entry in draw_coverage_layers(maps, canvas)[0].entries}
    area = 0.4 * 0.3 - 0.1 * 0.1  # square degrees, next to the equator
    assert shares["2026-11-20"] == pytest.approx(0.23 * 0.15 / area, abs=0.005)
    assert shares[UNOBSERVED] == pytest.approx(np.pi * 0.04**2 / area, abs=0.005)
    assert sum(shares.values()) == pytest.approx(1)


def test_the_picture_has_a_palette_and_is_transparent_beyond_the_area(maps, tmp_path):
    from PIL import Image

    canvas = lay_out(maps, SIDE)
    image = draw_map_layer(maps, canvas).image
    (tmp_path / "map.png").write_bytes(image.png())
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.mode == "P"
        assert picture.size == (canvas.grid.width, canvas.grid.height)
        pixels = np.asarray(picture.convert("RGBA"))
    assert set(np.unique(pixels[image.index == BEYOND][:, 3])) == {0}
    assert set(np.unique(pixels[image.index != BEYOND][:, 3])) == {255}
    np.testing.assert_array_equal(pixels[image.index != BEYOND][:, :3], image.rgb()[image.index != BEYOND])
    assert {tuple(color) for color in image.rgb()[image.index == HATCH_LIGHT]} == {HATCH_COLORS[1]}


def test_medians_show_the_number_of_observations(tmp_path):
    request = AreaRequest("delta.geojson", (Days(date(2026, 11, 20), date(2026, 11, 26)),), composite="median")
    maps = make_maps(tmp_path / "out", request=request)
    for tile in maps.tiles:  # the south has two observations, the north has one, the cloud has none
        with open_raster(tile.coverage) as raster:
            image, grid = raster.source.read(), raster.info.grid
        write_raster(tile.coverage, np.where(image == 255, 0, image + 1).astype(np.uint8), grid)
    canvas = lay_out(maps, SIDE)
    [layer] = draw_coverage_layers(maps, canvas)

    def expected(longitude, latitude):
        image = image_at(longitude, latitude).astype(int)
        return np.where(inside(longitude, latitude), np.where(image == 255, -1, image), -2)

    check(layer.image, expected, canvas)
    assert [entry.name for entry in layer.entries] == ["1 observation", "2 observations", UNOBSERVED]


def test_each_date_of_a_model_has_a_layer(tmp_path, maps):
    first = maps.tiles[0]
    with open_raster(first.coverage) as raster:
        image, grid = raster.source.read(1), raster.info.grid
    both = np.stack([image, np.where(image == 255, 255, 2)]).astype(np.uint8)
    write_raster(tmp_path / "both.tif", both, grid, no_data_value=255)
    two = replace(maps, tiles=[replace(first, coverage=tmp_path / "both.tif")])
    layers = draw_coverage_layers(two, lay_out(two, SIDE))
    assert [layer.name for layer in layers] == [f"day of the image, date {number} of the model" for number in (1, 2)]
    assert [entry.name for entry in layers[1].entries] == ["2026-11-24", UNOBSERVED]


def test_values_are_drawn_from_low_to_high(tmp_path):
    maps = make_maps(tmp_path / "out", values=True)
    canvas = lay_out(maps, SIDE)
    layer = draw_map_layer(maps, canvas)
    column, row = canvas.grid.position(35.82, 0.25)
    line = layer.image.index[:, int(column)].astype(int)
    inner = line[line >= FIRST]
    assert (np.diff(inner) <= 0).all()  # values fall towards the south
    assert inner[0] == FIRST + 63
    assert inner[-1] == FIRST
    low, high = layer.limits
    assert line[int(row)] - FIRST == pytest.approx(63 * (25 - low) / (high - low), abs=1)


def test_an_area_across_the_antimeridian_is_in_one_piece(maps):
    halves = [[[[lon, 0], [lon + 0.5, 0], [lon + 0.5, 0.5], [lon, 0.5], [lon, 0]]] for lon in (179.5, -180.0)]
    canvas = lay_out(replace(maps, tiles=[], geometry={"type": "MultiPolygon", "coordinates": halves}), 100)
    west, _, east, _ = canvas.grid.bounds
    assert 179 < west < 179.5
    assert 180.5 < east < 181
    assert canvas.inside[:, 50].any()


def test_maps_without_an_observation_are_striped(tmp_path, maps):
    tile = maps.tiles[0]
    with open_raster(tile.path) as raster:
        grid: Grid = raster.info.grid
    write_raster(tmp_path / "none.tif", np.full((1, *grid.shape), 255, np.uint8), grid, no_data_value=255)
    empty = replace(maps, tiles=[replace(tile, path=tmp_path / "none.tif", coverage=tmp_path / "none.tif", images=())])
    canvas = lay_out(empty, 100)
    for layer in (draw_map_layer(empty, canvas), *draw_coverage_layers(empty, canvas)):
        assert set(np.unique(layer.image.index)) == {BEYOND, HATCH_DARK, HATCH_LIGHT}
        assert layer.entries[-1].share == pytest.approx(1)


def test_changes_have_the_colours_of_gains_and_losses_and_their_hectares(maps):
    """All was land before, so water is a gain of water and a loss of land."""
    canvas = lay_out(maps, SIDE)
    changes = make_changes(maps=make_change_maps(maps))
    layer = draw_change_layer(changes, canvas, colors_of(maps))
    colors = change_colors(3, colors_of(maps))
    entries = {entry.name: entry for entry in layer.entries if entry.share}
    assert list(entries) == ["Land → Water", "Land → Flooded crops", "Land, unchanged", NOT_COMPARED]
    assert (entries["Land → Water"].color, entries["Land → Water"].note) == (colors[1], "345 ha")
    assert len({entry.color for entry in layer.entries}) == len(layer.entries)  # the page tells classes by colour
    now = {entry.name: entry.share for entry in draw_map_layer(maps, canvas).entries}
    assert entries["Land → Water"].share == pytest.approx(now["Water"])
    assert entries["Land, unchanged"].share == pytest.approx(now["Land"])
    assert entries[NOT_COMPARED].share == pytest.approx(now[UNOBSERVED])
    longitude, latitude = centers(canvas)
    seen = layer.image.index >= FIRST
    same = seen & inside(longitude, latitude) & steady(class_at, longitude, latitude)
    np.testing.assert_array_equal(layer.image.index[same] - FIRST, class_at(longitude, latitude)[same])
