"""Quicklook and coverage of an area as PNG."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from instageo.area_maps.pictures.area_pictures import (
    DPI,
    compose_area_quicklook,
    compose_coverage,
    draw_area_quicklook,
    draw_coverage,
)
from instageo.area_maps.pictures.graticule import graticule
from instageo.area_maps.pictures.layers import lay_out
from instageo.area_maps.pictures.number_text import degrees_text, hectares_text, percent_text, signed_hectares
from instageo.errors import ConfigError
from instageo.raster.reading import open_raster
from instageo.raster.writing import write_raster
from tests.unit.area_maps.example import COLORS, HOSTILE, make_maps, make_table


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    return make_maps(tmp_path_factory.mktemp("maps") / "out")


def color_at(path, sheet, canvas, longitude, latitude):
    """Colour of a place in a PNG."""
    left, top, width, height = sheet.frame
    west, south, east, north = canvas.grid.bounds
    x = left + width * (longitude - west) / (east - west)
    y = top + height * (north - latitude) / (north - south)
    picture = np.rint(imread(path)[..., :3] * 255).astype(int)
    return tuple(picture[int(y * DPI), int(x * DPI)].tolist())


def test_the_quicklook_has_the_colors_of_the_classes_at_their_places(maps, tmp_path):
    draw_area_quicklook(maps, make_table(), tmp_path / "quicklook.png")
    sheet, canvas = compose_area_quicklook(maps, make_table()), lay_out(maps)
    for longitude, latitude, expected in (
        (35.85, 0.15, COLORS[0]),  # land in the zone 36
        (36.15, 0.27, COLORS[0]),  # land in the zone 37
        (36.01, 0.253, COLORS[1]),  # the river, where both maps overlap
        (35.85, 0.37, COLORS[2]),
        (36.17, 0.37, COLORS[2]),
        (36.15, 0.15, (255, 255, 255)),  # beyond the area
    ):
        assert color_at(tmp_path / "quicklook.png", sheet, canvas, longitude, latitude) == expected


def test_the_quicklook_says_hectares_shares_and_scale(maps):
    texts = [text.get_text() for text in compose_area_quicklook(maps, make_table()).sheet.axes.texts]
    assert texts[0] == "delta"
    assert texts[1] == "2026-11-20 to 2026-11-26 · model flood-mapper 1.2.0"
    assert "100,000 ha observed of 107,527 ha" in texts[2]
    assert {"Land", "68,766 ha", "64.0 %", "Water", "1,234 ha", "not observed", "7,527 ha", "7.0 %"} <= set(texts)
    assert {"36.0° E", "0.2° N", "N", "5 km"} <= set(texts)


def test_the_scale_bar_is_as_long_as_the_ground(maps):
    sheet = compose_area_quicklook(maps, None)
    boxes = [patch for patch in sheet.sheet.axes.patches if isinstance(patch, Rectangle)]
    bar = sum(patch.get_width() for patch in boxes if patch.get_height() == 0.07)  # its two halves
    west, _, east, _ = lay_out(maps).grid.bounds
    # A degree of longitude at latitude 0.25 is 111.3184 km on the ellipsoid.
    assert 5 / bar == pytest.approx((east - west) * 111.3184 / sheet.frame[2], rel=1e-4)


@pytest.mark.parametrize("shape", ["usual", "wide", "tall", "tiny"])
def test_nothing_overlaps_or_is_cut(maps, shape):
    boxes = {
        "usual": None,
        "wide": (35.8, 0.2, 36.2, 0.22),
        "tall": (35.9, 0.1, 35.91, 0.4),
        "tiny": (36.0, 0.2, 36.0005, 0.2005),
    }
    if boxes[shape] is not None:
        west, south, east, north = boxes[shape]
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        maps = replace(maps, geometry={"type": "Polygon", "coordinates": [ring]})
    for sheet in (compose_area_quicklook(maps, make_table()), *compose_coverage(maps)):
        extents = [text.get_window_extent() for text in sheet.sheet.axes.texts]
        page = sheet.sheet.figure.bbox
        for number, extent in enumerate(extents):
            text = sheet.sheet.axes.texts[number].get_text()
            assert page.x0 <= extent.x0 <= extent.x1 <= page.x1, text
            assert page.y0 <= extent.y0 <= extent.y1 <= page.y1, text
            assert not any(extent.overlaps(other) for other in extents[:number] if extent.width and other.width), text


def test_coverage_shows_days_and_stacks_the_dates_of_a_model(maps, tmp_path):
    draw_coverage(maps, tmp_path / "one.png")
    [sheet] = compose_coverage(maps)
    canvas = lay_out(maps)
    west = color_at(tmp_path / "one.png", sheet, canvas, 35.85, 0.3)
    assert west == color_at(tmp_path / "one.png", sheet, canvas, 36.01, 0.3)
    assert color_at(tmp_path / "one.png", sheet, canvas, 36.05, 0.3) != west
    texts = [text.get_text() for text in sheet.sheet.axes.texts]
    assert {"2026-11-20", "2026-11-21", "2026-11-24", "2 images", "not observed"} <= set(texts)
    tiles = []
    for tile in maps.tiles:
        with open_raster(tile.coverage) as raster:
            image, grid = raster.source.read(1), raster.info.grid
        path = tmp_path / tile.coverage.name
        write_raster(path, np.stack([image, image]), grid, no_data_value=255)
        tiles.append(replace(tile, coverage=path))
    draw_coverage(replace(maps, tiles=tiles), tmp_path / "two.png")
    one, two = (imread(tmp_path / name).shape for name in ("one.png", "two.png"))
    assert two[0] == 2 * one[0]


def test_maps_without_coverage_say_so(maps, tmp_path):
    bare = replace(maps, tiles=[replace(tile, coverage=None) for tile in maps.tiles])
    with pytest.raises(ConfigError, match="no map has a file of coverage; make the maps again"):
        draw_coverage(bare, tmp_path / "coverage.png")


def test_any_name_can_be_drawn(tmp_path):
    names = (HOSTILE, "$x_1$ {y}", "A name that is rather long " * 5)
    maps = make_maps(tmp_path / "out", names=names, step=500.0)
    draw_area_quicklook(maps, make_table(names), tmp_path / "quicklook.png")
    assert (tmp_path / "quicklook.png").stat().st_size > 10_000


def test_graticules_have_round_degrees():
    assert [line.label for line in graticule(179.7, 180.25, "EW")] == ["179.8° E", "180.0° W", "179.8° W"]
    assert [line.label for line in graticule(-0.3, 0.25, "NS")] == ["0.2° S", "0.0°", "0.2° N"]
    assert [line.label for line in graticule(30, 60, "NS")] == ["30° N", "40° N", "50° N", "60° N"]


def test_numbers_are_readable():
    assert [hectares_text(value) for value in (0, 0.0004, 9.876, 99.94, 99.96, 1234.5)] == [
        "0 ha", "0.0004 ha", "9.88 ha", "99.9 ha", "100 ha", "1,234 ha",
    ]  # fmt: skip
    assert [signed_hectares(value) for value in (-300, 0, 2.5)] == ["−300 ha", "±0 ha", "+2.5 ha"]
    assert [percent_text(value) for value in (0, 0.0001, 0.5, 0.9999, 1)] == [
        "0 %",
        "< 0.1 %",
        "50.0 %",
        "> 99.9 %",
        "100 %",
    ]
    assert [degrees_text(value, "EW", 2) for value in (0, -1.5, 181, 359.999)] == [
        "0.00°",
        "1.50° W",
        "179.00° W",
        "0.00°",
    ]
