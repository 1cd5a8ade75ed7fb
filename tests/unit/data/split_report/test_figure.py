"""The picture of a split."""

import numpy as np
from matplotlib.image import imread

from instageo.data.chip_tables.chip_table import ChipTable
from instageo.data.chip_tables.places import Places
from instageo.data.split_report.facts import Division
from instageo.data.split_report.figure import COLORS, _continuous, draw_split
from instageo.geodesy.circles import Circles

CLASSES = {"train": {"land": 0.7, "water": 0.3}, "test": {"land": 0.6, "water": 0.4}}


def division(lonlat, known):
    rows = [{"Input": f"{number}.tif"} for number in range(len(lonlat))]
    names = [row["Input"] for row in rows]
    table = ChipTable("chips.csv", ".", ("Input",), rows, range(len(rows)), names)
    places = Places(Circles.around(lonlat), np.full(len(rows), known))
    return Division(table, places, ("train", "test"), np.arange(len(rows)) % 3 - 1)


def has_color(picture, color):
    rgb = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return bool((np.abs(picture[..., :3] - rgb).max(axis=2) < 0.01).any())


def test_parts_have_their_colours_on_map_and_bars(tmp_path):
    places = np.random.default_rng(0).uniform(10, 12, (60, 2))
    draw_split(tmp_path / "all.png", division(places, known=True), CLASSES)
    draw_split(tmp_path / "bars.png", division(places, known=False), {})
    whole, bars = imread(tmp_path / "all.png"), imread(tmp_path / "bars.png")
    assert whole.shape[1] == 3 * bars.shape[1]  # map, rows and classes
    assert all(has_color(picture, color) for picture in (whole, bars) for color in (*COLORS[:2], "#bbbbbb"))


def test_a_map_across_the_antimeridian_is_narrow():
    places = np.array([[179.5, 0.0], [-179.5, 1.0], [0.0, 0.0]])
    shown = _continuous(places, np.array([True, True, False]))
    np.testing.assert_allclose(shown[:2, 0], [179.5, 180.5])
