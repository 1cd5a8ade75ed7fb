"""A place with a date and a label."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Observation:
    """A row of a table of points.

    Attributes:
        number: Row in the table, from 1, without the header.
        longitude: Degrees (WGS 84), -180 to 180.
        latitude: Degrees.
        time: Time of the observation, UTC; at midnight where only the day is known.
        label: Its label as a number; None where the table has no labels.
        text: Its label as the table writes it.
        extra: Other columns of the row.
    """

    number: int
    longitude: float
    latitude: float
    time: datetime
    label: float | None = None
    text: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
