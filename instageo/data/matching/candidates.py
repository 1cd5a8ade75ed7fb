"""Images that can serve a date of a chip, best first."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

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
"""Which reason is given if images of a period are unusable for different ones."""


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


class CandidateFinder:
    """Finds images for windows and days, each once.

    Args:
        scenes: Images by tile.
        rules: How to choose.
        windows: All windows.
    """

    def __init__(self, scenes: Scenes, rules: MatchRules, windows: Iterable[ChipWindow]) -> None:
        self._scenes, self._rules = scenes, rules
        by_tile: dict[str, dict[tuple[int, int], Grid]] = defaultdict(dict)
        for window in windows:
            by_tile[window.tile][window.row, window.column] = window.grid
        self._windows = {tile: TileWindows.of(grids) for tile, grids in by_tile.items()}
        self._shares: dict[int, list[float]] = {}
        self._chosen: dict[tuple[str, int, int, date], tuple[tuple[Item, ...], ...] | Unmatched] = {}

    def items(self, window: ChipWindow, day: date) -> tuple[tuple[Item, ...], ...] | Unmatched:
        """Return the candidates of each date, oldest first, or why there are none."""
        key = window.tile, window.row, window.column, day
        if key not in self._chosen:
            self._chosen[key] = self._find(window, day)
        return self._chosen[key]

    def _find(self, window: ChipWindow, day: date) -> tuple[tuple[Item, ...], ...] | Unmatched:
        periods = self._rules.dates.periods(day)
        result: list[tuple[Item, ...]] = []
        for number, period in enumerate(periods, start=1):
            candidates, reason = self._candidates(window, period)
            if not candidates and not self._rules.fill_missing:
                step = f"date {number} of {len(periods)}, " if len(periods) > 1 else ""
                return Unmatched(reason.reason, f"{step}{period.first} to {period.last}: {reason.detail}")
            result.append(candidates)
        if not any(result):
            return Unmatched(Reason.NO_ITEM, "no image at any date")
        return tuple(result)

    def _candidates(self, window: ChipWindow, period: Period) -> tuple[tuple[Item, ...], Unmatched]:
        """Return the images that can serve a date, best first, and the reason in case there are none."""
        if period.last < self._rules.first_day:
            return (), Unmatched(Reason.BEFORE_SENSOR, f"the first image is of {self._rules.first_day}")
        ranked, refused = [], []
        windows = self._windows[window.tile]
        number = windows.numbers[window.row, window.column]
        for scene in self._scenes.between(window.tile, period.first, period.last):
            share = self._shares_of(scene, windows)[number]
            problem = self._problem(scene, window, share) if share <= 0 or self._rules.daytime_only else None
            if problem is not None:
                refused.append(problem)
                continue
            days = abs((scene.day - period.target).days)
            ranked.append(((days, scene.cloud_percent, -share, scene.item.id), scene.item))
        if not ranked:
            refused += [
                Unmatched(other.reason, other.detail)
                for tile in (window.tile, "")
                for other in self._scenes.rejected_between(tile, period.first, period.last)
            ]
        reason = min(refused, key=lambda other: REASON_ORDER.index(other.reason), default=None)
        ranked.sort(key=lambda pair: pair[0])
        nothing = Unmatched(Reason.NO_ITEM, f"the catalogue has no image of {window.tile}")
        return tuple(item for _, item in ranked), reason or nothing

    def _problem(self, scene: Scene, window: ChipWindow, share: float) -> Unmatched | None:
        """Return why a scene cannot serve a window, or None."""
        if share < 0:
            detail = f"{scene.item.id} has another grid, or ends within the chip"
            return Unmatched(Reason.GRID_DIFFERS, detail)
        if share == 0:
            return Unmatched(Reason.OUTSIDE_SWATH, f"{scene.item.id} does not cover the chip")
        if self._rules.daytime_only:
            windows = self._windows[window.tile]
            longitude, latitude = windows.corners[windows.numbers[window.row, window.column], 0].tolist()
            elevation = sun_elevation(scene.item.time, latitude, longitude)
            if elevation <= 0:
                return Unmatched(Reason.NIGHT, f"{scene.item.id}: the sun is {elevation:.0f} degrees above the horizon")
        return None

    def _shares_of(self, scene: Scene, windows: TileWindows) -> list[float]:
        """Return the share of each window of a tile that the footprint of a scene covers, found for all at once.

        It is -1 if the grid of the scene does not hold the window.
        """
        shares = self._shares.get(id(scene))
        if shares is None:
            shares = self._shares[id(scene)] = covered_shares(scene, windows).tolist()
        return shares
