"""Busy servers are asked again after waits that grow, and after the time that they ask for."""

from datetime import UTC, datetime

import pytest

from instageo.data.retries import WAITS_S, parse_retry_after, seconds_to_wait

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_waits_double_and_are_lengthened_by_up_to_a_quarter():
    assert WAITS_S == (1, 2, 4, 8, 16)
    waits = {seconds_to_wait(8.0, None) for _ in range(100)}
    assert 8 <= min(waits) < max(waits) <= 10


@pytest.mark.parametrize(("asked", "expected"), [(0.0, 0.0), (7.0, 7.0), (86_400.0, 120.0)])
def test_a_server_may_ask_for_another_wait_of_up_to_two_minutes(asked, expected):
    assert seconds_to_wait(8.0, asked) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3), ("-3", 0), ("Fri, 01 May 2026 12:00:30 GMT", 30), ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None), ("nan", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_retry_after_holds_seconds_or_a_date(text, expected):
    assert parse_retry_after(text, NOW) == expected
