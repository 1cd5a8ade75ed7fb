"""Values that would decide mean and standard deviation of a table by themselves."""

import logging

import numpy as np
import pytest

from instageo.errors import DataError
from instageo.model.inspection.extremes import check_extremes
from instageo.model.inspection.statistics import compute_moments
from instageo.table import Row

ROWS = [Row(f"{name}.tif", f"/data/{name}.tif", None) for name in "abc"]


def moments(extreme):
    """Moments of three chips of two bands with values 100 and 300; one value of the second chip is extreme."""
    chips = np.full((3, 2, 4), 100.0)
    chips[:, :, 2:] = 300
    chips[1, 1, 0] = extreme
    return [compute_moments(chip, np.ones(4, bool)) for chip in chips]


def test_an_absurd_value_is_refused_with_chip_and_value():
    # the usual magnitude of RED is the median of |mean|: 200 in two of three chips
    with pytest.raises(DataError, match=r"^/data/b\.tif: RED has the value 200000000, .* usually about 200,"):
        check_extremes(ROWS, moments(2e8), ["BLUE", "RED"])
    with pytest.raises(DataError, match=r"RED has the value -1e\+38"):
        check_extremes(ROWS, moments(-1e38), ["BLUE", "RED"])


def test_an_unusual_value_is_reported(caplog):
    with caplog.at_level(logging.WARNING):
        check_extremes(ROWS, moments(2e6), ["BLUE", "RED"])
    assert caplog.messages[0].startswith("/data/b.tif: RED has the value 2000000,")


@pytest.mark.parametrize("value", [300, 65535, -1999_000])
def test_ordinary_values_pass(value, caplog):
    check_extremes(ROWS, moments(value), ["BLUE", "RED"])
    assert not caplog.messages


def test_tables_without_moments_and_bands_of_zeros_pass():
    check_extremes(ROWS, [None] * 3, ["BLUE", "RED"])
    zeros = compute_moments(np.zeros((2, 4)), np.ones(4, bool))
    check_extremes(ROWS, [zeros] * 3, ["BLUE", "RED"])
