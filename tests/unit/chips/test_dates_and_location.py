"""Dates and location of a chip: from the table, else from the file, else unknown."""

from datetime import date

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.testing import assert_array_equal
from rasterio.crs import CRS

from instageo.errors import DataError
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.dates_and_location import DATE_TAGS, find_chip_coordinates, find_row_coordinates
from instageo.model.chips.image import read_chip
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info
from instageo.table import Row

NAN = float("nan")
DEGREES = CRS.from_epsg(4326).to_wkt()
SOMEWHERE = Grid(DEGREES, Affine(0.5, 0, 10, 0, -0.25, 50), 4, 8)
"""Four rows of a quarter degree from 50 N, eight columns of half a degree from 10 E: the centre is 49.5 N, 12 E."""


def dates_of(tags, num_dates=1, dates=()):
    """Find the dates alone, as lists."""
    return find_chip_coordinates(dates, None, None, tags, num_dates)[0].tolist()


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2023-01-01", [2023, 1]),
        ("2024-02-29", [2024, 60]),
        ("2024-03-01", [2024, 61]),
        ("2023-03-01", [2023, 60]),
        ("2024-12-31", [2024, 366]),
        ("2023-12-31", [2023, 365]),
        ("2000-12-31", [2000, 366]),
        ("1900-12-31", [1900, 365]),
    ],
)
def test_days_of_the_year_count_from_1(day, expected):
    assert dates_of({}, 1, [date.fromisoformat(day)]) == [expected]


def test_given_coordinates_take_precedence_over_the_file():
    temporal, location = find_chip_coordinates([date(2021, 1, 2)], (-1.5, 36.75), SOMEWHERE, {"DATE": "1999-01-01"}, 1)
    assert (temporal.dtype, temporal.tolist()) == (np.float32, [[2021, 2]])
    assert (location.dtype, location.tolist()) == (np.float32, [-1.5, 36.75])


def test_zero_degrees_is_a_location():
    assert find_chip_coordinates([], (0.0, 0.0), SOMEWHERE, {}, 1)[1].tolist() == [0, 0]


def test_missing_coordinates_come_from_the_file():
    temporal, location = find_chip_coordinates([], None, SOMEWHERE, {"DATE": "1999-02-01"}, 1)
    assert temporal.tolist() == [[1999, 32]]
    assert location.tolist() == [49.5, 12]


@pytest.mark.parametrize("num_dates", [1, 3])
def test_unknown_coordinates_are_nan(num_dates):
    temporal, location = find_chip_coordinates([], None, None, {}, num_dates)
    assert_array_equal(temporal, np.full((num_dates, 2), NAN))
    assert_array_equal(location, [NAN, NAN])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"SENSING_TIME": "2020-03-05T18:51:49.1234567Z"}, [[2020, 65]]),  # HLS: seven digits of a second
        ({"SENSING_TIME": "2020-03-05T18:51:49.123456Z; 2020-03-05T18:52:13.5Z"}, [[2020, 65]]),  # two scenes, one day
        ({"SENSING_TIME": "2020-03-05T18:51:49Z; 2020-03-06T18:52:13Z"}, None),  # which of the two?
        ({"TIFFTAG_DATETIME": "2020:03:05 10:00:00"}, [[2020, 65]]),
        ({"ACQUISITIONDATETIME": "2020-03-05 10:00:00"}, [[2020, 65]]),
        ({"ACQUISITION_DATE": "20200305"}, [[2020, 65]]),
        ({"DATE": "some day in March"}, None),
        ({"DATE": ""}, None),
        ({"DATE": "2020"}, None),
        ({"DATE": "2020-02-30"}, None),
        ({"DATE": "no idea", "DATETIME": "2020-03-05"}, [[2020, 65]]),  # the first that can be read
        ({"DATES": "2019-01-01;2020-01-01", "DATE": "2021-01-03"}, [[2021, 3]]),  # the first that fits one date
        ({"TIFFTAG_DATETIME": "2023:01:01 00:00:00", "SENSING_TIME": "2020-03-05T00:00:00Z"}, [[2020, 65]]),
        ({"PROCESSED": "2020-03-05"}, None),
    ],
)
def test_one_date_from_tags(tags, expected):
    assert_array_equal(dates_of(tags), expected or [[NAN, NAN]])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01;2020-02-01;2020-12-31", [[2020, 1], [2020, 32], [2020, 366]]),
        ("2020-12-31, 2020-02-01, 2020-01-01", [[2020, 366], [2020, 32], [2020, 1]]),  # in the order of the layers
        ("2020-01-01;2020-02-01", None),
        ("2020-01-01;2020-02-01;2020-03-01;2020-04-01", None),
        ("2020-01-01;2020-02-01;later", None),
        ("2020-01-01", None),
    ],
)
def test_three_dates_from_a_tag(text, expected):
    assert_array_equal(dates_of({"DATES": text}, 3), expected or [[NAN, NAN]] * 3)


@pytest.mark.parametrize("name", DATE_TAGS)
@pytest.mark.parametrize("domain", [None, "IMAGERY"])
def test_date_tags_are_read_from_the_file(make_raster, name, domain):
    path = make_raster("chip.tif", np.ones((2, 2), np.uint8))
    text = "2020:03:05 10:00:00" if name.startswith("TIFFTAG") else "2020-03-05"
    with rasterio.open(path, "r+") as target:
        target.update_tags(ns=domain, **{name: text})
    assert dates_of(read_info(path).tags) == dates_of(read_chip(path, ChipFormat()).tags) == [[2020, 65]]


def test_tag_names_may_be_lower_case(make_raster):
    path = make_raster("chip.tif", np.ones((2, 2), np.uint8), tags={"sensing_time": "2020-03-05T00:00:00.0000000Z"})
    assert dates_of(read_info(path).tags) == [[2020, 65]]


@pytest.mark.parametrize(("num_given", "num_dates"), [(1, 3), (3, 1), (2, 3)])
def test_a_wrong_number_of_dates_names_the_row(num_given, num_dates, tmp_path):
    row = Row("a/chip.tif", str(tmp_path), None, (date(2020, 1, 1),) * num_given)
    words = rf"^a/chip\.tif: {num_given} dates? (is|are) given \(2020-01-01.*\) for chips of {num_dates}"
    with pytest.raises(DataError, match=words):
        find_row_coordinates(row, SOMEWHERE, {}, num_dates)
