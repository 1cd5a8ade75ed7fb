from datetime import date

import pytest

from instageo.data.matching.dates import DateRule

DAY = date(2024, 5, 20)


def ends(rule, day=DAY):
    return [(str(period.first), str(period.last)) for period in rule.periods(day)]


def test_one_image_before_the_observation_never_comes_after_it():  # pitfall 51
    assert ends(DateRule(tolerance_days=3)) == [("2024-05-17", "2024-05-20")]


def test_several_images_oldest_first():  # pitfall 50
    rule = DateRule(steps=3, step_days=30, tolerance_days=5)
    assert ends(rule) == [
        ("2024-03-16", "2024-03-26"), ("2024-04-15", "2024-04-25"), ("2024-05-15", "2024-05-20"),
    ]  # fmt: skip
    assert [str(period.target) for period in rule.periods(DAY)] == ["2024-03-21", "2024-04-20", "2024-05-20"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (DateRule(when="around", tolerance_days=1), [("2024-05-19", "2024-05-21")]),
        (DateRule(when="after", tolerance_days=2), [("2024-05-20", "2024-05-22")]),
        (DateRule(steps=2, step_days=10, tolerance_days=1, when="after"),
         [("2024-05-20", "2024-05-21"), ("2024-05-29", "2024-05-31")]),
        (DateRule(steps=3, step_days=10, tolerance_days=0, when="around"),
         [("2024-05-10", "2024-05-10"), ("2024-05-20", "2024-05-20"), ("2024-05-30", "2024-05-30")]),
        (DateRule(tolerance_days=2, month_start=True), [("2024-04-29", "2024-05-01")]),
    ],
)  # fmt: skip
def test_other_periods(rule, expected):
    assert ends(rule) == expected


def test_days_end_with_the_calendar():
    assert ends(DateRule(when="around", steps=3, step_days=10**9, tolerance_days=10**9)) == 3 * [
        ("0001-01-01", "9999-12-31")
    ]
    assert ends(DateRule(), date.min) == [("0001-01-01", "0001-01-01")]
    assert ends(DateRule(when="after"), date.max) == [("9999-12-31", "9999-12-31")]
