"""Elevation of the sun."""

import math
from datetime import datetime

J2000 = 2451545.0
UNIX_EPOCH = 2440587.5
"""Julian days of 2000-01-01 12:00 and of 1970-01-01 00:00, UTC."""


def sun_elevation(time: datetime, latitude: float, longitude: float) -> float:
    """Return the elevation of the sun above the horizon, degrees, right to about 0.1.

    Source: the low-precision formulas for the sun in the Astronomical Almanac (section C).

    Args:
        time: Time, UTC.
        latitude: Degrees.
        longitude: Degrees, east positive.
    """
    days = time.timestamp() / 86400 + UNIX_EPOCH - J2000
    mean_longitude = math.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean_longitude + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 0.0000004 * days)
    declination = math.asin(math.sin(obliquity) * math.sin(ecliptic))
    right_ascension = math.atan2(math.cos(obliquity) * math.sin(ecliptic), math.cos(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + longitude) % 360)
    hour_angle = sidereal - right_ascension
    height = math.sin(math.radians(latitude)) * math.sin(declination)
    height += math.cos(math.radians(latitude)) * math.cos(declination) * math.cos(hour_angle)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))
