"""Numbers of a report as text."""

import pytest

from instageo.model.runs.rows import Spread
from instageo.model.runs.tables import format_digits, format_ratio, format_score


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_ratio(1.0), "1"),
        (format_ratio(1 / 16), "1/16"),
        (format_ratio(1 / 3.94), "1/3.9"),
        (format_ratio(2.5), "2.50 x"),
        (format_digits(123.9), "124"),
        (format_digits(35.94), "35.9"),
        (format_digits(99.96), "100"),
        (format_digits(0.044), "0.0440"),
        (format_digits(12345), "12 345"),
        (format_digits(0.0), "0"),
        (format_score(Spread(0.80264, None, ()), "mIoU"), "0.8026"),
        (format_score(Spread(-0.1, 0.02, ()), "r2"), "−0.1000 ± 0.0200"),
        (format_score(Spread(12.345, 0.678, ()), "rmse"), "12.35 ± 0.68"),
        (format_score(Spread(0.012345, 0.000678, ()), "rmse"), "0.01235 ± 0.00068"),
        (format_score(Spread(45678.9, 12.3, ()), "rmse"), "45679 ± 12"),
        (format_score(None, "rmse"), "–"),
    ],
)
def test_numbers_as_text(text, expected):
    assert text == expected
