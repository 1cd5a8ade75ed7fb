"""Pictures of finished maps."""

import numpy as np
import pytest
from affine import Affine
from matplotlib.image import imread
from rasterio.crs import CRS

from instageo.errors import WriteError
from instageo.model.figures.colors import NO_DATA_COLOR, class_colors
from instageo.model.quicklooks.fonts import find_families
from instageo.model.quicklooks.map_legend import nice_length
from instageo.model.quicklooks.quicklook import compose_quicklook, draw_quicklook
from instageo.raster.grid import Grid
from instageo.raster.map_products.ground_scale import ground_jacobian
from instageo.raster.map_products.preview import read_preview
from instageo.raster.writing import ClassLegend

NAMES = [
    "Land",
    "Flooded water",
    "غابة كثيفة",
    "ውሃ",
    "A class whose name is rather long and goes on and on",
    "$x_1$ {y}",
]
UTM, DEGREES, POLAR = (CRS.from_epsg(code).to_wkt() for code in (32637, 4326, 3413))
NORTH_UP = Affine(10, 0, 400_000, 0, -10, 1_000_000)


def random_map(height, width, classes=6):
    values = np.random.default_rng(0).integers(0, classes, (height, width)).astype(np.uint8)
    values[: height // 4, : width // 4] = 255
    return values


@pytest.mark.parametrize(
    ("shape", "grid"),
    [
        ((60, 80), {"transform": NORTH_UP}),
        ((8, 400), {"transform": NORTH_UP}),
        ((400, 8), {"transform": NORTH_UP}),
        ((1, 1), {"transform": NORTH_UP}),
        ((1, 500), {"transform": NORTH_UP}),
        ((60, 80), {"transform": Affine(8, 6, 400_000, 6, -8, 1_000_000)}),
        ((60, 80), {"crs": DEGREES, "transform": Affine(0.01, 0, 20, 0, -0.01, 69)}),
        ((60, 80), {"crs": None, "transform": Affine.identity()}),
        ((60, 80), {"crs": POLAR, "transform": Affine(1000, 0, -40_000, 0, -1000, 30_000)}),
    ],
    ids=["usual", "wide", "tall", "pixel", "line", "rotated", "degrees", "no place", "pole"],
)
def test_nothing_overlaps_or_is_cut(make_raster, shape, grid):
    legend = ClassLegend(NAMES, class_colors(None, NAMES))
    path = make_raster("map.tif", random_map(*shape), no_data_value=255, legend=legend, **({"crs": UTM} | grid))
    sheet = compose_quicklook(path, title="A long title " * 20)
    texts = sheet.axes.texts
    extents = [text.get_window_extent() for text in texts]
    page = sheet.figure.bbox
    for number, extent in enumerate(extents):
        assert page.x0 <= extent.x0 < extent.x1 <= page.x1, texts[number].get_text()
        assert page.y0 <= extent.y0 < extent.y1 <= page.y1, texts[number].get_text()
        for other in extents[:number]:
            assert not extent.overlaps(other)
    picture = sheet.axes.images[0].get_window_extent()
    assert not any(picture.overlaps(extent) for extent in extents)


def test_classes_have_their_colors_shares_and_areas(make_raster, tmp_path):
    values = np.zeros((100, 100), np.uint8)
    values[:25], values[90:] = 1, 255
    legend = ClassLegend(["land", "lava"], {0: (10, 200, 30), 1: (250, 0, 0)})
    path = make_raster("map.tif", values, no_data_value=255, legend=legend, crs=UTM, transform=NORTH_UP)
    texts = [text.get_text() for text in compose_quicklook(path).axes.texts]
    assert texts[0] == "map.tif"
    assert texts[1:8] == ["land", "72.2 %", "65 ha", "lava", "27.8 %", "25 ha", "no data"]
    assert any("EPSG:32637" in text and "100 x 100 pixels" in text for text in texts)
    draw_quicklook(path, tmp_path / "map.png")
    picture = np.rint(imread(tmp_path / "map.png")[..., :3] * 255).astype(np.int64)
    pixels = np.bincount(picture.reshape(-1, 3) @ [65536, 256, 1], minlength=1 << 24).reshape(256, 256, 256)
    assert pixels[10, 200, 30] / pixels[250, 0, 0] == pytest.approx(65 / 25, rel=0.02)
    assert pixels[NO_DATA_COLOR] / pixels[250, 0, 0] == pytest.approx(10 / 25, rel=0.05)


def test_names_that_no_font_has_become_numbers(make_raster):
    nobody_has = chr(0x1F9CC) + chr(0x16FE4)  # at best one of the two is in a font
    legend = ClassLegend(["land\nand", nobody_has])
    path = make_raster("map.tif", np.array([[0, 1]], np.uint8), legend=legend, crs=UTM, transform=NORTH_UP)
    texts = [text.get_text() for text in compose_quicklook(path, title=nobody_has).axes.texts]
    assert "land and" in texts
    if find_families(nobody_has) is None:
        assert ("class 1" in texts, texts[0]) == (True, "map")


def test_many_classes_are_summed_up(make_raster):
    values = np.arange(40, dtype=np.uint8).repeat(10).reshape(40, 10)
    path = make_raster("map.tif", values, crs=UTM, transform=NORTH_UP)
    texts = [text.get_text() for text in compose_quicklook(path).axes.texts]
    assert "16 further" in texts
    assert texts[texts.index("16 further") + 1] == "40.0 %"


@pytest.mark.parametrize("kind", ["values", "constant", "empty"])
def test_values_have_a_scale(make_raster, tmp_path, kind):
    values = np.linspace(0, 100, 101, dtype=np.float32).repeat(20).reshape(101, 20)
    values = {"values": values, "constant": np.full_like(values, 7), "empty": np.full_like(values, np.nan)}[kind]
    path = make_raster("map.tif", values, no_data_value=np.nan, bands=["biomass"], crs=UTM, transform=NORTH_UP)
    texts = [text.get_text() for text in compose_quicklook(path).axes.texts]
    expected = {"values": ["≤ 2", "50", "≥ 98"], "constant": ["7"], "empty": ["≤ 0", "0.5", "≥ 1"]}[kind]
    assert texts[1 : 2 + len(expected)] == ["biomass", *expected]
    draw_quicklook(path, tmp_path / "map.png")
    assert imread(tmp_path / "map.png").ndim == 3


def test_south_up_maps_are_drawn_with_north_at_the_top(make_raster):
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = make_raster("map.tif", values, crs=UTM, transform=Affine(-10, 0, 400_040, 0, 10, 1_000_000))
    preview = read_preview(path, 100)
    np.testing.assert_array_equal(preview.values, values[::-1, ::-1])
    assert preview.grid.transform == Affine(10, 0, 400_000, 0, -10, 1_000_030)


def test_large_maps_are_read_from_an_overview(make_raster):
    import rasterio

    path = make_raster("map.tif", np.zeros((1000, 1500), np.uint8), crs=UTM, transform=NORTH_UP)
    with rasterio.open(path, "r+") as target:
        target.build_overviews([2, 4, 8])
    assert read_preview(path, 400).values.shape == (250, 375)
    assert read_preview(path, 400).grid.transform == Affine(40, 0, 400_000, 0, -40, 1_000_000)
    assert read_preview(path, 10).values.shape == (7, 10)


def test_north_and_lengths_on_the_ground():
    east, north = ground_jacobian(Grid(UTM, NORTH_UP, 100, 100))  # a degree west of the central meridian
    assert np.hypot(east[0], north[0]) == pytest.approx(10 / 0.9998, rel=2e-4)
    convergence = np.degrees(np.arctan2(north[0], east[0]))
    assert convergence == pytest.approx(0.91 * np.sin(np.radians(9.04)), abs=0.01)
    rotated = ground_jacobian(Grid(POLAR, Affine(1000, 0, -2e6, 0, -1000, 1000), 2, 2))  # longitude 135 West
    toward_pole = np.linalg.inv(rotated)[:, 1]
    assert np.degrees(np.arctan2(toward_pole[0], -toward_pole[1])) == pytest.approx(90, abs=0.1)
    assert ground_jacobian(Grid(POLAR, Affine(1000, 0, -1000, 0, -1000, 1000), 2, 2)) is None
    assert ground_jacobian(Grid(None, NORTH_UP, 2, 2)) is None


@pytest.mark.parametrize(("limit", "expected"), [(730, 500), (1000, 1000), (0.3, 0.2), (19_999, 10_000), (2, 2)])
def test_bars_have_round_lengths(limit, expected):
    assert nice_length(limit) == expected


def test_a_picture_that_the_disk_refuses(make_raster, tmp_path):
    path = make_raster("map.tif", np.zeros((2, 2), np.uint8), crs=UTM, transform=NORTH_UP)
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"map\.png: cannot be written"):
        draw_quicklook(path, tmp_path / "file" / "map.png")
