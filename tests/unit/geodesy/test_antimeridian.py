"""Outlines cut at the antimeridian."""

from itertools import pairwise

import pytest

from instageo.geodesy.antimeridian import cut_outline


def area(outline):
    return sum(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(part)) / 2 for part in outline.parts)


def test_an_outline_elsewhere_stays_as_it_is():
    outline = cut_outline([(10, 50), (12, 50), (12, 49), (10, 49)])
    assert sorted(outline.parts[0][1:]) == [(10, 49), (10, 50), (12, 49), (12, 50)]
    assert area(outline) == 2  # positive: counterclockwise
    assert outline.bbox == (10, 49, 12, 50)
    assert outline.geometry["type"] == "Polygon"


@pytest.mark.parametrize("turn", [-360, 0, 360])
def test_an_outline_across_the_antimeridian_has_two_parts(turn):
    outline = cut_outline([(179 + turn, 1), (182 + turn, 1), (182 + turn, -1), (179 + turn, -1)])
    assert sorted((min(part)[0], max(part)[0]) for part in outline.parts) == [(-180, -178), (179, 180)]
    assert area(outline) == 6
    assert outline.bbox == (179, -1, -178, 1)
    assert outline.geometry["type"] == "MultiPolygon"


def test_jumps_of_longitude_are_no_detour():
    outline = cut_outline([(179, 1), (-178, 1), (-178, -1), (179, -1)])
    assert (area(outline), outline.bbox) == (6, (179, -1, -178, 1))


def test_touching_the_antimeridian_is_not_crossing_it():
    assert cut_outline([(179, 1), (180, 1), (180, 0), (179, 0)]).bbox == (179, 0, 180, 1)
    assert cut_outline([(-180, 1), (-179, 1), (-179, 0), (-180, 0)]).bbox == (-180, 0, -179, 1)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_line_around_a_pole_contains_it(sign):
    outline = cut_outline([(-135, 80 * sign), (-45, 80 * sign), (45, 80 * sign), (135, 80 * sign)])
    assert area(outline) == 360 * 10
    south, north = sorted((80 * sign, 90 * sign))
    assert outline.bbox == (-180, south, 180, north)


def test_the_globe():
    line = [(x, 90) for x in range(-180, 180, 45)] + [(x, -90) for x in range(180, -180, -45)]
    assert cut_outline(line).bbox == (-180, -90, 180, 90)
