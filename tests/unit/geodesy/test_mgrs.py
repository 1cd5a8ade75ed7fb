"""Tiles by their names, against the Sentinel-2 tiling grid, and against names that are computed from places."""

import numpy as np
import pytest
from pyproj import Transformer

from instageo.errors import DataError
from instageo.geodesy.mgrs import BANDS, find_tile, is_tile_name


@pytest.mark.parametrize(
    ("name", "crs", "west", "north"),
    [
        ("T31UFQ", "EPSG:32631", 600_000, 5_500_020),  # Paris lies to the south-west
        ("32TQM", "EPSG:32632", 699_960, 4_700_040),
        ("33TTG", "EPSG:32633", 199_980, 4_700_040),  # Rome
        ("T36KXD", "EPSG:32736", 600_000, 7_900_020),  # Beira
        ("33XWG", "EPSG:32633", 499_980, 8_700_000),  # Svalbard
        ("1CDM", "EPSG:32701", 399_960, 1_200_000),
        ("t31ufq", "EPSG:32631", 600_000, 5_500_020),
    ],
)
def test_extents_of_tiles(name, crs, west, north):
    tile = find_tile(name)
    assert (tile.crs, tile.west, tile.north) == (crs, west, north)
    assert tile.bounds == (west, north - 109_800, west + 109_800, north)


def name_of(longitude, latitude):
    """Return the name of the square of a place, and its coordinates in its zone; letters are counted one by one."""
    zone = int((longitude + 180) // 6) + 1
    band = BANDS[min(int((latitude + 80) // 8), 19)]
    code = (32600 if latitude >= 0 else 32700) + zone
    x, y = Transformer.from_crs(4326, code, always_xy=True).transform(longitude, latitude)
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # without I and O
    column = alphabet[((zone - 1) * 8 + int(x // 100_000) - 1) % 24]
    row = alphabet[(int(y // 100_000) + (5 if zone % 2 == 0 else 0)) % 20]
    return f"{zone:02}{band}{column}{row}", x, y


def test_tiles_contain_the_places_that_name_them():
    rng = np.random.default_rng(1)
    for longitude, latitude in zip(rng.uniform(-180, 180, 2000), rng.uniform(-80, 84, 2000), strict=True):
        name, x, y = name_of(longitude, latitude)
        if name[:3] in ("32X", "34X", "36X"):
            continue
        west, south, east, north = find_tile(name).bounds
        assert west <= x < east, name
        assert south <= y <= north, name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("31IAA", "expected a name such as 36KXD"),  # no band I
        ("31OAA", "expected a name such as 36KXD"),
        ("31AAA", "expected a name such as 36KXD"),  # bands C to X: 80 south to 84 north
        ("31YAA", "expected a name such as 36KXD"),
        ("31UFO", "expected a name such as 36KXD"),
        ("31UFW", "expected a name such as 36KXD"),  # rows end at V
        ("0UFQ", "expected a name such as 36KXD"),
        ("61UFQ", "expected a name such as 36KXD"),
        ("31UIQ", "zone 31 has the columns A to H"),
        ("31UJQ", "zone 31 has the columns A to H"),
        ("31UFE", "band U of zone 31 has no row E"),  # 6,400 km north is 57.7 degrees, band V
        ("31UFN", "band U of zone 31 has no row N"),  # 5,200 to 5,300 km end at 47.9 degrees, band T
        ("32XMG", "zone 32 has no band X"),
    ],
)
def test_there_are_no_such_tiles(name, reason):
    assert is_tile_name(name)
    with pytest.raises(DataError, match=reason):
        find_tile(name)


def test_rows_at_both_ends_of_a_band():
    """Band U, 48 to 56 degrees, is 5,316.3 to 6,207.2 km north: 31UFP (5.3 to 5.4) and 31UFC (6.2 to 6.3)."""
    assert (find_tile("31UFP").north, find_tile("31UFC").north) == (5_400_000, 6_300_000)


@pytest.mark.parametrize("text", ["36KXD.geojson", "1,2,3,4", "beira", "36KX", "T36KXDD", ""])
def test_other_texts_are_no_names(text):
    assert not is_tile_name(text)
