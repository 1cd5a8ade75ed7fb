"""What the report shows in numbers: hectares by class and zone, changes, and a series of dates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ClassHectares:
    """A class within a zone.

    Attributes:
        number: Value of its pixels.
        name: Its name.
        pixels: How many pixels have it.
        hectares: Their area on the ground.
        share: Their share of the observed area, 0 to 1.
    """

    number: int
    name: str
    pixels: int
    hectares: float
    share: float


@dataclass(frozen=True)
class ZoneTable:
    """The whole area, or a polygon whose area was measured.

    Attributes:
        name: Its name.
        observed_hectares: Area with an observation.
        unobserved_hectares: Area without one.
        classes: Its classes by number; empty for regression.
        mean: Mean over the observed area, for regression.
        geometry: Its polygon as GeoJSON geometry, degrees, WGS 84; None if the map need not show it.
    """

    name: str
    observed_hectares: float
    unobserved_hectares: float
    classes: Sequence[ClassHectares] = ()
    mean: float | None = None
    geometry: Mapping[str, Any] | None = None

    @property
    def hectares(self) -> float:
        """Its area, observed or not."""
        return self.observed_hectares + self.unobserved_hectares

    @property
    def unobserved_share(self) -> float:
        """Share of its area without an observation, 0 to 1; 0 for an empty zone."""
        return self.unobserved_hectares / self.hectares if self.hectares > 0 else 0.0


@dataclass(frozen=True)
class AreaTable:
    """Hectares of an area and of its zones.

    Attributes:
        area: The whole area.
        zones: Zones whose areas were measured one by one, if any.
        method: How areas were computed, one sentence.
    """

    area: ZoneTable
    zones: Sequence[ZoneTable] = ()
    method: str = ""


@dataclass(frozen=True)
class Transition:
    """An area that had one class before and has one after, often the same.

    Attributes:
        before: Name of the class before.
        after: Name of the class after.
        hectares: Area on the ground.
    """

    before: str
    after: str
    hectares: float


@dataclass(frozen=True)
class GainAndLoss:
    """How a class grew and shrank.

    Attributes:
        name: Name of the class.
        gain: Hectares that became this class.
        loss: Hectares that were this class and no longer are.
    """

    name: str
    gain: float
    loss: float


@dataclass(frozen=True)
class ChangeTable:
    """Two periods compared, where both were observed.

    Attributes:
        before: Days of the first period.
        after: Days of the second period.
        transitions: Areas by class before and after.
        classes: Gains and losses by class.
        compared_hectares: Area observed in both periods.
        uncompared_hectares: Area that was not observed in one of them, or in both.
        maps: Maps of changes, in the order in which they count.
    """

    before: str
    after: str
    transitions: Sequence[Transition]
    classes: Sequence[GainAndLoss]
    compared_hectares: float
    uncompared_hectares: float
    maps: Sequence[Path] = ()


@dataclass(frozen=True)
class SeriesPoint:
    """One date of a series.

    Attributes:
        label: The date, or first and last day.
        hectares: Hectares by name of the class, in the order of the classes.
        observed_share: Observed share of the area, 0 to 1.
    """

    label: str
    hectares: Mapping[str, float]
    observed_share: float


@dataclass(frozen=True)
class SeriesTable:
    """Hectares over time, the earliest date first."""

    points: Sequence[SeriesPoint]
