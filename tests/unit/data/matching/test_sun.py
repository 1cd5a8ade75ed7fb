from datetime import UTC, datetime

import pytest

from instageo.data.matching.sun import sun_elevation


@pytest.mark.parametrize(
    ("time", "latitude", "longitude", "expected"),
    [
        # At noon on an equinox the sun is overhead at the equator; the equation of time is -7.5 minutes on 20 March.
        (datetime(2024, 3, 20, 12, 7, tzinfo=UTC), 0, 0, 90),
        (datetime(2024, 6, 20, 12, 2, tzinfo=UTC), 23.44, 0, 90),
        (datetime(2024, 6, 20, 12, 2, tzinfo=UTC), 90, 0, 23.44),
        (datetime(2024, 12, 21, 0, 0, tzinfo=UTC), 0, 180, 66.6),
        (datetime(2024, 6, 20, 0, 2, tzinfo=UTC), 23.44, 0, -43.1),
    ],
)
def test_elevation(time, latitude, longitude, expected):
    assert sun_elevation(time, latitude, longitude) == pytest.approx(expected, abs=0.6)
