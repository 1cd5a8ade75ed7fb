"""Images that can serve a date of a chip, best first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instageo.data.items.item import Item
from instageo.data.matching.coverage import TileWindows, covered_shares
from instageo.data.matching.dates import DateRule, Period
from instageo.data.matching.placement import ChipWindow
from instageo.data.matching.scenes import Scene, Scenes
from instageo.data.matching.sun import sun_elevation
from instageo.data.output.skipped import Reason
from instageo.raster.grid import Grid

REASON_ORDER = (
    Reason.SHIFT_UNKNOWN, Reason.ASSET_MISSING, Reason.TOO_CLOUDY, Reason.NIGHT, Reason.OUTSIDE_SWATH,
    Reason.GRID_DIFFERS,
)  # fmt: skip
"""Which reason is reported if images of a period are rejected for several: the first of these that occurs."""


@dataclass(frozen=True)
class MatchRules:
    """How images are chosen; see the options of the same names.

    Attributes:
        dates: Days of the images.
        size: Side of a chip, pixels.
        centre: Whether each point lies in the centre of its chip.
        per_point: Whether each point has a chip of its own.
        newest_first: Whether the newest image comes first.
        fill_missing: Whether a date without an image is filled with no-data.
        daytime_only: Whether the sun must be above the horizon.
        min_count: Smallest number of observations in a tile.
        first_day: Day of the first image of the sensor.
    """

    dates: DateRule
    size: int = 224
    centre: bool = False
    per_point: bool = False
    newest_first: bool = False
    fill_missing: bool = False
    daytime_only: bool = False
    min_count: int = 1
    first_day: date = date.min


@dataclass(frozen=True)
class Unmatched:
    """Why a window has no image.

    Attributes:
        reason: The kind.
        detail: One sentence.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True)
class DayScenes:
    """Scenes of a tile for the dates of a chip.

    Attributes:
        periods: Period of each date, oldest first, and its scenes in the order of time.
        best_first: Items of each date, in the order for a chip that all of them cover.
        is_whole: Shape (N,), whether there are scenes for each date, and all of them cover a window of the tile.
    """

    periods: Sequence[tuple[Period, Sequence[Scene]]]
    best_first: tuple[tuple[Item, ...], ...]
    is_whole: NDArray[np.bool_]


class CandidateFinder:
    """Finds images for windows and days, each once.

    Args:
        scenes: Images by tile.
        rules: How to choose.
        windows: All windows.
    """

    def __init__(self, scenes: Scenes, rules: MatchRules, windows: Iterable[ChipWindow]) -> None:
        self.scenes, self.rules = scenes, rules
        by_tile: dict[str, dict[tuple[int, int], Grid]] = defaultdict(dict)
        for window in windows:
            by_tile[window.tile][window.row, window.column] = window.grid
        self._windows = {tile: TileWindows.of(grids) for tile, grids in by_tile.items()}
        self._shares: dict[int, NDArray[np.float64]] = {}
        self._days: dict[tuple[str, date], DayScenes] = {}
        self._chosen: dict[tuple[str, int, int, date], tuple[tuple[Item, ...], ...] | Unmatched] = {}

    def items(self, window: ChipWindow, day: date) -> tuple[tuple[Item, ...], ...] | Unmatched:
        """Return the candidates of each date, oldest first, or why there are none."""
        key = window.tile, window.row, window.column, day
        if key not in self._chosen:
            self._chosen[key] = self._find(window, day)
        return self._chosen[key]

    def _find(self, window: ChipWindow, day: date) -> tuple[tuple[Item, ...], ...] | Unmatched:
        windows = self._windows[window.tile]
        number = windows.numbers[window.row, window.column]
        choices = self._day(window.tile, day)
        if choices.is_whole[number] and not self.rules.daytime_only:
            return choices.best_first
        result: list[tuple[Item, ...]] = []
        for position, (period, scenes) in enumerate(choices.periods, start=1):
            candidates, reason = self._candidates(window, period, scenes)
            if not candidates and not self.rules.fill_missing:
                step = f"date {position} of {len(choices.periods)}, " if len(choices.periods) > 1 else ""
                return Unmatched(reason.reason, f"{step}{period.first} to {period.last}: {reason.detail}")
            result.append(candidates)
        if not any(result):
            return Unmatched(Reason.NO_ITEM, "no image at any date")
        return tuple(result)

    def _candidates(
        self, window: ChipWindow, period: Period, scenes: Sequence[Scene]
    ) -> tuple[tuple[Item, ...], Unmatched]:
        """Return the images that can serve a date, best first, and the reason in case there are none."""
        if period.last < self.rules.first_day:
            return (), Unmatched(Reason.BEFORE_SENSOR, f"the first image is of {self.rules.first_day}")
        ranked, refused = [], []
        windows = self._windows[window.tile]
        number = windows.numbers[window.row, window.column]
        for scene in scenes:
            share = float(self._shares_of(scene, windows)[number])
            problem = self._problem(scene, window, share) if share <= 0 or self.rules.daytime_only else None
            if problem is not None:
                refused.append(problem)
                continue
            ranked.append((_rank(scene, period, share), scene.item))
        if not ranked:
            refused += [
                Unmatched(other.reason, other.detail)
                for tile in (window.tile, "")
                for other in self.scenes.rejected_between(tile, period.first, period.last)
            ]
        reason = min(refused, key=lambda other: REASON_ORDER.index(other.reason), default=None)
        ranked.sort(key=lambda pair: pair[0])
        nothing = Unmatched(Reason.NO_ITEM, f"the catalogue has no image of {window.tile}")
        return tuple(item for _, item in ranked), reason or nothing

    def _day(self, tile: str, day: date) -> "DayScenes":
        """Return the scenes for the dates of a chip, looked up once for each tile and day."""
        key = tile, day
        if key not in self._days:
            windows = self._windows[tile]
            periods = [
                (period, self.scenes.between(tile, period.first, period.last))
                for period in self.rules.dates.periods(day)
            ]
            is_whole = np.ones(len(windows.edges), bool)
            for period, scenes in periods:
                is_whole &= bool(scenes) and period.last >= self.rules.first_day
                for scene in scenes:
                    is_whole &= self._shares_of(scene, windows) == 1
            best_first = tuple(_best_first(scenes, period) for period, scenes in periods)
            self._days[key] = DayScenes(periods, best_first, is_whole)
        return self._days[key]

    def _problem(self, scene: Scene, window: ChipWindow, share: float) -> Unmatched | None:
        """Return why a scene cannot serve a window, or None."""
        if share < 0:
            detail = f"{scene.item.id} has another grid, or ends within the chip"
            return Unmatched(Reason.GRID_DIFFERS, detail)
        if share == 0:
            return Unmatched(Reason.OUTSIDE_SWATH, f"{scene.item.id} does not cover the chip")
        if self.rules.daytime_only:
            windows = self._windows[window.tile]
            longitude, latitude = windows.corners[windows.numbers[window.row, window.column], 0].tolist()
            elevation = sun_elevation(scene.item.time, latitude, longitude)
            if elevation <= 0:
                return Unmatched(Reason.NIGHT, f"{scene.item.id}: the sun is {elevation:.0f} degrees above the horizon")
        return None

    def _shares_of(self, scene: Scene, windows: TileWindows) -> NDArray[np.float64]:
        """Return the share of each window of a tile that the footprint of a scene covers, found for all at once.

        It is -1 if the grid of the scene does not hold the window.
        """
        shares = self._shares.get(id(scene))
        if shares is None:
            shares = self._shares[id(scene)] = covered_shares(scene, windows)
        return shares


def _rank(scene: Scene, period: Period, share: float) -> tuple[int, float, float, str]:
    """Return what scenes are ordered by: days from the date, clouds, share of the chip, name."""
    return abs((scene.day - period.target).days), scene.cloud_percent, -share, scene.item.id


def _best_first(scenes: Sequence[Scene], period: Period) -> tuple[Item, ...]:
    """Return the items of scenes that cover a chip wholly, best first."""
    return tuple(scene.item for scene in sorted(scenes, key=lambda scene: _rank(scene, period, 1.0)))
