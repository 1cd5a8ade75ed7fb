"""Observations that became no chip, with the reason."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an observation is in no chip."""

    NO_ITEM = "no image in the period"
    TOO_CLOUDY = "too cloudy"
    OUTSIDE_SWATH = "outside the swath"
    ASSET_MISSING = "file missing in the catalogue"
    NOT_READABLE = "file not readable"
    FEW_OBSERVATIONS = "too few observations in the tile"
    LABEL_CONFLICT = "different labels in one pixel"
    DUPLICATE = "duplicate observation"
    BEFORE_SENSOR = "before the first image of the sensor"
    NOTHING_LEFT = "nothing left after masking"
    SHIFT_UNKNOWN = "Sentinel-2 offset unknown"
    GRID_DIFFERS = "grids of the dates differ"
    NIGHT = "night"
    NOT_PLACED = "not in any tile"


@dataclass(frozen=True)
class Skipped:
    """An observation that became no chip.

    Attributes:
        number: Row of its table, from 1.
        reason: Why.
        detail: Which step, item or value; one sentence without secrets.
    """

    number: int
    reason: Reason
    detail: str = ""
