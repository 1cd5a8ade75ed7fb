"""Classes with known names have their usual colours, others those of a palette; no two have the same."""

from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest

from instageo.model.figures.colors import PALETTE, class_colors, named_color
from instageo.model.figures.qgis_style import render_qml

WATER, FOREST, CROPS, LAND = (65, 155, 223), (57, 125, 73), (228, 150, 53), (230, 224, 200)


def test_given_colours_are_used():
    assert class_colors([[1, 2, 3], [4, 5, 6]], ["water", "land"]) == {0: (1, 2, 3), 1: (4, 5, 6)}


def test_water_is_blue_and_land_is_not_red():
    assert class_colors(None, ["land", "water"]) == {0: LAND, 1: WATER}
    assert class_colors([], ["Open Water", "not water"]) == {0: WATER, 1: LAND}


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("Trees", FOREST), ("deciduous forest", FOREST), ("Crops", CROPS), ("winter_cropland", CROPS),
        ("built-up", (196, 40, 27)), ("bare soil", (165, 155, 143)), ("Snow/Ice", (179, 159, 225)),
        ("clouds", (230, 230, 235)), ("shrubland", (223, 195, 90)), ("GRASS", (136, 176, 83)),
        ("wetlands", (122, 135, 198)), ("no water", LAND), ("corn", None), ("price", None), ("3", None),
    ],
)  # fmt: skip
def test_usual_colours_by_name(name, color):
    assert named_color(name) == color


def test_other_names_get_the_palette_unless_it_is_like_a_colour_in_use():
    assert class_colors(None, ["0", "1", "2"]) == dict(enumerate(PALETTE[:3]))
    colors = class_colors(None, ["water", "wheat", "maize"])
    # the second of the palette, sky blue, is too like water: distance sqrt(21^2 + 25^2 + 10^2) = 34
    assert colors == {0: WATER, 1: PALETTE[0], 2: PALETTE[2]}


@pytest.mark.parametrize("names", [list(map(str, range(300))), [f"forest {n}" for n in range(40)], ["water"] * 3])
def test_no_two_classes_have_the_same_colour(names):
    colors = class_colors(None, names)
    assert list(colors) == list(range(len(names)))
    assert len(set(colors.values())) == len(names)
    assert all(0 <= part <= 255 for color in colors.values() for part in color)


# Projections of RGB for the two common kinds of colour blindness (Machado et al. 2009, severity 1).
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]


@pytest.mark.parametrize("seen", [np.eye(3), DEUTERANOPIA, PROTANOPIA], ids=["usual", "deuteranopia", "protanopia"])
def test_the_first_colours_of_the_palette_differ_for_colour_blind_readers(seen):
    projected = (np.array(PALETTE[:7]) / 255) ** 2.2 @ np.transpose(seen)
    assert min(np.abs(one - other).max() for one, other in combinations(projected, 2)) > 0.1


def test_the_style_for_qgis_has_value_colour_and_name_of_each_class():
    names = ["land", "wet & <deep> wäter"]
    text = render_qml(names, {0: (1, 2, 255), 1: (16, 0, 9)})
    root = ElementTree.fromstring(text)
    [renderer] = root.findall("pipe/rasterrenderer")
    assert (root.tag, renderer.get("type"), renderer.get("band")) == ("qgis", "paletted", "1")
    entries = [entry.attrib for entry in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [
        {"value": "0", "color": "#0102ff", "alpha": "255", "label": "land"},
        {"value": "1", "color": "#100009", "alpha": "255", "label": "wet & <deep> wäter"},
    ]
    assert text.startswith("<!DOCTYPE qgis")
