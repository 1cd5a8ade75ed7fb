import copy

import pytest

from instageo.data.catalogs.trust import RefusedAddressError, local_path
from instageo.data.items.item import item_from_stac
from instageo.errors import DataError
from tests.items import record_of


def changed(**fields):
    return copy.deepcopy(record_of()) | fields


def with_property(key, value):
    record = changed()
    record["properties"][key] = value
    return item_from_stac(record)


NAN = float("nan")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": "a\nb"}, "expected a text in one line of at most 255 characters"),
        ({"id": "a\0b"}, "expected a text in one line"),
        ({"id": "\ud800"}, "expected a text in one line"),
        ({"id": "a" * 256}, "expected a text in one line"),
        ({"bbox": [NAN] * 4}, "lies at longitude nan, latitude nan"),
        ({"bbox": [-1e300, 0, 1e300, 1]}, r"lies at longitude -1e\+300"),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, "lies at longitude nan"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}, "is damaged .A linearring requires"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[NAN, 0], [1, 0], [1, 1], [0, 0]]]}}, "a damaged geometry"),
        ({"geometry": {"type": "Nothing", "coordinates": []}}, "a damaged geometry"),
        ({"properties": {"datetime": "0001-01-01T00:00:00+14:00"}}, "expected an ISO time"),
        ({"properties": [1]}, "is damaged"),
        ({"assets": [1]}, "is damaged"),
    ],
)
def test_records_that_cannot_be_are_refused_with_their_name(fields, problem):
    with pytest.raises(DataError, match=problem):
        item_from_stac(changed(**fields))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("proj:shape", [10**400, 10**400]), ("proj:shape", [1e9, 1e9]), ("proj:shape", [0, 0]),
        ("proj:shape", [3660.5, 3660]), ("proj:shape", "12"), ("proj:transform", [0] * 6),
        ("proj:transform", [1e-300, 0, 600000, 0, -1e-300, 4900020]), ("proj:transform", [1e300, 0, 0, 0, -1e300, 0]),
        ("proj:transform", [30, 5, 600000, 5, -30, 4900020]), ("proj:code", "EPSG:1"), ("proj:code", [1]),
        ("proj:code", "[" * 100_000),
    ],
)  # fmt: skip
def test_a_grid_that_cannot_be_counts_as_not_given(key, value):
    item = with_property(key, value)
    assert item.assets["B02"].grid is None
    assert item_from_stac(record_of()).assets["B02"].grid.shape == (3660, 3660)


@pytest.mark.parametrize("scheme", ["", "http://127.0.0.1:{port}/crs", "+proj=longlat +nadgrids={file}"])
def test_a_reference_system_never_opens_a_file_or_url(monkeypatch, scheme):  # GDAL takes other texts for either
    def refuse(text):
        raise AssertionError(f"PROJ was given {text}")

    monkeypatch.setattr("instageo.data.items.record_grid.crs_wkt", refuse)
    assert with_property("proj:code", scheme or "/etc/passwd").assets["B02"].grid is None


def test_reference_systems_are_codes_numbers_or_wkt():
    wkt = item_from_stac(record_of()).assets["B02"].grid.crs
    for key, value in (("proj:code", "EPSG:32632"), ("proj:code", 32632), ("proj:code", wkt)):
        assert with_property(key, value).assets["B02"].grid.crs == wkt


@pytest.mark.parametrize("tile", ["../../x", "a\0b", "A" * 41, {"a": 1}])
def test_a_tile_that_cannot_be_part_of_a_file_name_is_unknown(tile):
    assert with_property("grid:code", tile).tile == ""


def test_addresses_of_several_lines_are_no_assets():
    record = changed()
    record["assets"]["B02"]["href"] = "a\nb.tif"
    record["assets"]["B03"]["href"] = "a\0b.tif"
    record["assets"]["B04"] = 5
    assert sorted(item_from_stac(record).assets) == ["B11", "B12", "B8A", "Fmask"]


def test_names_that_no_file_can_have_are_not_opened(tmp_path):
    with pytest.raises(RefusedAddressError, match="which no file can be called"):
        local_path("a" * 256 + ".tif", (tmp_path,))
    with pytest.raises(RefusedAddressError, match="which no file can be called"):
        local_path("file:///x/%00.tif", (tmp_path,))


@pytest.mark.parametrize(
    ("cloud_cover", "expected"), [(0, 0.0), (12.5, 12.5), (100, 100.0), (-1, None), (101, None), ("5", None),
                                  (float("nan"), None), (None, None)]
)  # fmt: skip
def test_clouds_are_a_percentage_or_unknown(cloud_cover, expected):
    assert item_from_stac(record_of(**{"eo:cloud_cover": cloud_cover})).cloud_percent == expected
