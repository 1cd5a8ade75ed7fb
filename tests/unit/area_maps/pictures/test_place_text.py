"""What areas are called."""

from datetime import date

import pytest

from instageo.area_maps.pictures.place_text import place_of
from instageo.area_maps.request import AreaRequest, Days


@pytest.mark.parametrize(
    ("area", "name"),
    [
        ("10.24174800235605,-44.2,180,-1e-7", "box 10.2417, -44.2, 180, 0"),
        ("36KXD", "tile 36KXD"),
        ("data/beira.geojson", "beira"),
        ("a,b,c,d.gpkg", "a,b,c,d"),
    ],
)
def test_places_have_short_names(area, name):
    day = date(2026, 11, 20)
    assert place_of(AreaRequest(area, (Days(day, day),))) == name
