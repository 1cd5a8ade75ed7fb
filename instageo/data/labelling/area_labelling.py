"""Labels of rasters and polygons: chips wherever there are labels, moved to the pixels of the images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.chip_sampling import sample_chips
from instageo.data.labelling.from_settings import LabelAreas, label_areas
from instageo.data.labelling.label_areas import AreaLabels, LabelArea, chips_of, label_of, search_points
from instageo.data.labelling.label_sources import FeatureSource
from instageo.data.labelling.labelling import ChipLabel
from instageo.data.matching.candidates import CandidateFinder, MatchRules, Unmatched
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.dates import DateRule
from instageo.data.matching.match import Matches
from instageo.data.matching.placement import ChipWindow, place_points
from instageo.data.matching.scenes import Scenes
from instageo.data.output.skipped import Reason, Skipped


@dataclass(frozen=True)
class LabelledWindow:
    """A window of a tile that has labels of one area.

    Attributes:
        cell: The window.
        area: The labels.
        numbers: Numbers of the features in it, or that of the window where labels are a raster.
        counts: Labelled pixels of each class.
    """

    cell: ChipWindow
    area: LabelArea
    numbers: tuple[int, ...]
    counts: Mapping[int, int]

    @property
    def name(self) -> str:
        """Name of its chip."""
        return f"{self.cell.tile}_{self.area.day:%Y%m%d}_{self.cell.row:04}_{self.cell.column:04}"


@dataclass
class AreaLabelling:
    """Labels of rasters, or of polygons by day.

    Attributes:
        settings: Options of the command.
        labels: The labels.
    """

    settings: ChipSettings
    labels: LabelAreas
    _windows: dict[str, LabelledWindow] = field(default_factory=dict, repr=False)

    @classmethod
    def from_settings(cls, settings: ChipSettings) -> Self:
        """Read what and where labels are; pixels of rasters are read later.

        Raises:
            TableError: Features or rasters have problems; all of them are in the message.
            RasterError: A raster has no place on Earth, or is rotated.
        """
        return cls(settings, label_areas(settings))

    @property
    def classes(self) -> bool:
        """Whether labels are classes; otherwise they are values."""
        return self.labels.classes

    @property
    def count(self) -> int:
        """Number of features; for rasters that of windows with labels, known once they have been matched."""
        return self.labels.count if self._has_features else len(self._windows)

    @property
    def sha256(self) -> str:
        """Checksum of the labels."""
        return self.labels.sha256

    @property
    def notes(self) -> tuple[str, ...]:
        """What was detected."""
        return self.labels.notes

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Labels that are left out before any search; none."""
        return ()

    @property
    def _has_features(self) -> bool:
        return any(isinstance(area.source, FeatureSource) for area in self.labels.areas)

    def places(self, dates: DateRule) -> Sequence[tuple[float, float, date, date]]:
        """Return points over each area, with the days that images are needed of."""
        points = []
        for area in self.labels.areas:
            periods = dates.periods(area.day)
            first, last = periods[0].first, periods[-1].last
            points += [(lon, lat, first, last) for lon, lat in search_points(area)]
        return points

    def match(self, scenes: Scenes, rules: MatchRules) -> Matches:
        """Return a chip for each cell of the images' tiles that has labels."""
        windows = self._chosen(list(self._labelled(scenes, rules)))
        finder = CandidateFinder(scenes, rules, {window.cell for window in windows})
        plans, skipped = [], []
        for window in windows:
            name = window.name
            while name in self._windows:  # of several rasters with labels of one day in one cell
                name += "_2"
            self._windows[name] = window
            matches = finder.items(window.cell, window.area.day)
            if isinstance(matches, Unmatched):
                skipped += [Skipped(number, matches.reason, matches.detail) for number in window.numbers]
                continue
            targets = tuple(period.target for period in rules.dates.periods(window.area.day))
            if rules.newest_first:
                matches, targets = matches[::-1], targets[::-1]
            cell = window.cell
            plans.append(ChipPlan(name, cell.tile, cell.grid, cell.row, cell.column, targets, matches))
        if self._has_features:
            used = {number for window in windows for number in window.numbers}
            detail = "no image was found around it, or it was not drawn"
            skipped += [
                Skipped(number, Reason.NOT_PLACED, detail) for number in range(1, self.count + 1) if number not in used
            ]
        return Matches(tuple(plans), tuple(skipped))

    def _labelled(self, scenes: Scenes, rules: MatchRules) -> Iterator[LabelledWindow]:
        """Yield each cell with enough labels, in its home tile."""
        frames = scenes.frames
        visited: set[tuple[str, int, int, int]] = set()
        number = 0
        for position, area in enumerate(self.labels.areas):
            for frame in sorted(frames, key=lambda frame: (frame.tile, frame.row, frame.column)):
                matches = chips_of(area, frame, rules.size, min_labelled=self.settings.min_labelled)
                for cell, labels in _at_home(matches, frames, rules.size):
                    key = cell.tile, cell.row, cell.column, position
                    if key in visited:
                        continue
                    visited.add(key)
                    number += 1
                    numbers = labels.numbers if self._has_features else (number,)
                    yield LabelledWindow(cell, area, numbers, labels.counts)

    def _chosen(self, windows: list[LabelledWindow]) -> list[LabelledWindow]:
        """Return the windows that are drawn, in their order."""
        settings = self.settings
        if settings.sample is None:
            return windows
        counts = [window.counts for window in windows]
        chosen = sample_chips(counts, settings.sample, balance=settings.balance, seed=settings.seed)
        return [windows[index] for index in chosen]

    def label(self, plan: ChipPlan, observed: NDArray[np.bool_]) -> ChipLabel:  # noqa: ARG002
        """Return the labels of a chip."""
        window = self._windows[plan.name]
        matches = label_of(window.area, plan.grid)
        return ChipLabel(matches.values, counts=matches.counts, points=len(window.numbers))

    def numbers(self, plan: ChipPlan) -> Sequence[int]:
        """Return the numbers of the features in a chip, or that of its window."""
        return self._windows[plan.name].numbers

    def describe(self) -> Mapping[int, Mapping[str, Any]]:
        """Return place, date and labels of each feature or window."""
        described: dict[int, dict[str, Any]] = {}
        for window in self._windows.values():
            latitude, longitude = window.cell.grid.center_lat_lon() or ("", "")
            columns = {"lat": latitude, "lon": longitude, "date": window.area.day, "label": window.area.name}
            described |= {number: columns for number in window.numbers if number not in described}
        empty = dict.fromkeys(("lat", "lon", "date", "label"), "")
        return {number: described.get(number, empty) for number in range(1, max(described, default=0) + 1)}


def _at_home(
    matches: Sequence[tuple[ChipWindow, AreaLabels]], frames: Sequence[Any], size: int
) -> Iterator[tuple[ChipWindow, AreaLabels]]:
    """Yield the windows whose centre lies deepest in their own tile; others are those of a neighbouring tile."""
    centres = [cell.grid.center_lat_lon() or (np.nan, np.nan) for cell, _ in matches]
    homes = place_points([(lon, lat) for lat, lon in centres], frames, size=size, centre=False)
    for (cell, labels), home in zip(matches, homes, strict=True):
        if home is not None and home.tile == cell.tile:
            yield cell, labels
