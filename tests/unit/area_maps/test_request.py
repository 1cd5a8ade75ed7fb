"""Days, periods, and what a request for a map refuses."""

from datetime import date

import pytest

from instageo.area_maps.request import AreaRequest, Days, parse_days
from instageo.errors import ConfigError

JANUARY = Days(date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-11-20", date(2026, 11, 20), date(2026, 11, 20)),
        ("2026-11-20/2026-11-26", date(2026, 11, 20), date(2026, 11, 26)),
        (" 2026-11-20 / 2026-11-26 ", date(2026, 11, 20), date(2026, 11, 26)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
    ],
)
def test_days_and_periods(text, first, last):
    assert parse_days(text) == Days(first, last)


def test_days_are_written_as_they_are_read():
    assert str(parse_days("2026-11-20")) == "2026-11-20"
    assert str(parse_days("2026-11-20/2026-11-26")) == "2026-11-20/2026-11-26"


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2026-11", "2026-02-29", "2026-11-20/", "/2026-11-20", "2026-11-20/..", "20.11.2026",
     "2026-11-20T10:00", "2026-11-20/2026-11-21/2026-11-22"],
)  # fmt: skip
def test_other_texts_are_no_days(text):
    with pytest.raises(ConfigError, match=r"expected a day such as 2026-11-20, or a period"):
        parse_days(text)


def test_periods_do_not_end_before_they_begin():
    with pytest.raises(ConfigError, match="its last day comes before its first"):
        parse_days("2026-11-26/2026-11-20")


@pytest.mark.parametrize(
    ("every", "periods"),
    [
        ("16d", ["2026-01-01/2026-01-16", "2026-01-17/2026-01-31"]),  # the last one has 15 days
        ("10", ["2026-01-01/2026-01-10", "2026-01-11/2026-01-20", "2026-01-21/2026-01-30", "2026-01-31"]),
        (" 31D ", ["2026-01-01/2026-01-31"]),
        ("400d", ["2026-01-01/2026-01-31"]),
        ("999999999d", ["2026-01-01/2026-01-31"]),  # longer than the calendar
    ],
)
def test_days_divide_into_periods(every, periods):
    assert [str(each) for each in JANUARY.divide(every)] == periods


@pytest.mark.parametrize("every", ["", "d", "0d", "-1d", "1.5d", "2w", "²d", "1" * 5000])
def test_other_steps_are_refused(every):
    with pytest.raises(ConfigError, match="expected a number of days such as 16d"):
        JANUARY.divide(every)


def test_there_are_at_most_400_periods():
    assert len(parse_days("2025-01-01/2026-02-04").divide("1d")) == 400
    with pytest.raises(ConfigError, match="at most 400 periods"):
        parse_days("2025-01-01/2026-02-05").divide("1d")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"composite": "newst"}, "composite=newst is unknown; .*newest"),
        ({"dilation": -1}, "dilation=-1 does not work; expected 0 to 1000"),
        ({"max_cloud": 101}, "max_cloud=101 does not work; expected 0 to 100"),
        ({"max_cloud": float("nan")}, "max_cloud=nan does not work"),
        ({"resolution": 0.0}, "resolution=0.0 does not work; expected 0.01 to 100000"),
        ({"resolution": float("inf")}, "resolution=inf does not work; expected 0.01 to 100000"),
    ],
)
def test_a_request_checks_its_numbers(options, reason):
    with pytest.raises(ConfigError, match=reason):
        AreaRequest("36KXD", (JANUARY,), **options)
