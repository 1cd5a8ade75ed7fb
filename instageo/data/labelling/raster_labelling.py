"""Labels of rasters: chips wherever a raster has labels, the labels moved to the pixels of the images."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.labelling import ChipLabel, SearchPlace
from instageo.data.matching.candidates import CandidateFinder, MatchRules, Unmatched
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.dates import DateRule
from instageo.data.matching.match import Matches
from instageo.data.matching.placement import Place, cells, place_points
from instageo.data.matching.scenes import Scenes
from instageo.data.output.skipped import Skipped
from instageo.data.sources.source import CHIP_NO_DATA
from instageo.errors import ConfigError, TableError
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info
from instageo.raster.resampling import check_label_grid, resample_labels
from instageo.raster.warp import WGS84, transform_coordinates

SUFFIXES = (".tif", ".tiff", ".img", ".vrt")

IGNORED = -1
"""Label of pixels without a class."""


@dataclass(frozen=True)
class LabelArea:
    """A raster of labels.

    Attributes:
        path: The file.
        day: Day of its labels.
        grid: Its pixels.
    """

    path: Path
    day: date
    grid: Grid


@dataclass
class RasterLabelling:
    """Labels of one raster or several.

    Attributes:
        settings: Options of the command.
        areas: The rasters.
        classes: Whether labels are classes; otherwise they are values.
        sha256: Checksum of the files' names and content.
        notes: Remarks for the user.
        skipped: Windows that are left out before any search; none.
    """

    settings: ChipSettings
    areas: tuple[LabelArea, ...]
    classes: bool
    sha256: str
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    _windows: dict[str, tuple[int, LabelArea]] = field(default_factory=dict, repr=False)
    _described: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def from_settings(cls, settings: ChipSettings) -> Self:
        """Find the rasters, and check their place and date; pixels are read later.

        Raises:
            RasterError: A raster has no place on Earth, or is rotated.
            TableError: There is no raster, or the date of one is unknown.
        """
        paths = _find_rasters(Path(settings.input))
        digest, areas, kinds = hashlib.sha256(), [], set()
        for path in paths:
            info = read_info(path)
            check_label_grid(str(path), info.grid)
            areas.append(LabelArea(path, _day_of(path, settings.date, info.tags), info.grid))
            kinds.add(np.dtype(info.dtype).kind == "f" or settings.resample == "mean")
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        if len(kinds) > 1:
            raise TableError(f"{settings.input}: holds rasters of classes and of values; make chips of each apart")
        return cls(settings, tuple(areas), not kinds.pop(), digest.hexdigest())

    @property
    def count(self) -> int:
        """Number of windows with labels; known once they have been matched."""
        return len(self._described)

    def places(self, dates: DateRule) -> Sequence[SearchPlace]:
        """Return points of a lattice over each raster, with the days that images are needed of."""
        places = []
        for area in self.areas:
            periods = dates.periods(area.day)
            height, width = area.grid.shape
            steps = np.linspace(0, 1, 5)
            rows, columns = np.meshgrid(steps * height, steps * width)
            xs, ys = area.grid.to_crs(rows.ravel().tolist(), columns.ravel().tolist())
            for lon, lat in zip(*transform_coordinates(area.grid.crs or WGS84, WGS84, xs, ys), strict=True):
                places.append(SearchPlace(lon, lat, periods[0].first, periods[-1].last))
        return places

    def match(self, scenes: Scenes, rules: MatchRules) -> Matches:
        """Return a chip for each cell of the images' tiles that has labels."""
        windows = _balanced(list(self._labelled(scenes, rules)), self.settings)
        finder = CandidateFinder(scenes, rules, {place for place, *_ in windows})
        plans, skipped = [], []
        for number, (place, area, _) in enumerate(windows, start=1):
            name = f"{place.tile}_{area.day:%Y%m%d}_{place.row:04}_{place.column:04}"
            name += f"_{area.path.stem}" if len(self.areas) > 1 else ""
            latitude, longitude = place.grid.center_lat_lon() or ("", "")
            self._described[number] = {"lat": latitude, "lon": longitude, "date": area.day, "label": area.path.name}
            self._windows[name] = number, area
            found = finder.items(place, area.day)
            if isinstance(found, Unmatched):
                skipped.append(Skipped(number, found.reason, found.detail))
                continue
            targets = tuple(period.target for period in rules.dates.periods(area.day))
            if rules.newest_first:
                found, targets = found[::-1], targets[::-1]
            plans.append(ChipPlan(name, place.tile, place.grid, place.row, place.column, targets, found))
        return Matches(tuple(plans), tuple(skipped))

    def _labelled(self, scenes: Scenes, rules: MatchRules) -> Iterator[tuple[Place, LabelArea, dict[int, int]]]:
        """Yield each cell that has enough labels, its raster, and its labelled pixels by class."""
        frames = scenes.frames
        candidates = {(place.tile, place.row, place.column): place for frame in frames
                      for place in cells(frame, rules.size)}  # fmt: skip
        places = [candidates[key] for key in sorted(candidates)]
        centres = [place.grid.center_lat_lon() or (np.nan, np.nan) for place in places]
        homes = place_points([(lon, lat) for lat, lon in centres], frames, size=rules.size, centre=False)
        own = [place for place, home in zip(places, homes, strict=True) if home is not None and home.tile == place.tile]
        for area in self.areas:
            for place in _near(own, area.grid):
                values, valid = self._read(area, place.grid)
                if not valid.any() or valid.mean() < self.settings.min_labelled:
                    continue
                yield place, area, _counts(values[valid]) if self.classes else {}

    def _read(self, area: LabelArea, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        method = self.settings.resample if self.classes else "mean"
        return resample_labels(str(area.path), grid, method=method)

    def label(self, plan: ChipPlan, observed: NDArray[np.bool_]) -> ChipLabel:  # noqa: ARG002
        """Return the labels of a raster on the pixels of a chip."""
        _, area = self._windows[plan.name]
        values, valid = self._read(area, plan.grid)
        if self.classes:
            return ChipLabel(np.where(valid, values, IGNORED).astype(np.int16), counts=_counts(values[valid]), points=1)
        return ChipLabel(np.where(valid, values, CHIP_NO_DATA).astype(np.float32), points=1)

    def numbers(self, plan: ChipPlan) -> Sequence[int]:
        """Return the number of the window of a chip."""
        return [self._windows[plan.name][0]]

    def describe(self) -> Mapping[int, Mapping[str, Any]]:
        """Return place, date and file of each window."""
        return self._described


def _counts(values: NDArray[np.float64]) -> dict[int, int]:
    found, counts = np.unique(values.astype(int), return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _find_rasters(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise TableError(f"{path}: no such file or folder; expected a raster of labels, or a folder of them")
    rasters = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not rasters:
        raise TableError(f"{path}: holds no raster ({', '.join(SUFFIXES)})")
    return rasters


def _day_of(path: Path, given: str | None, tags: Mapping[str, str]) -> date:
    """Return the day of a raster: as given, else from its tags DATE or DATES, else as YYYYMMDD or ISO in its name."""
    if given:
        try:
            return datetime.fromisoformat(given).date()
        except ValueError as error:
            raise ConfigError(f"date={given} does not work; expected an ISO date such as 2024-05-17") from error
    texts = [tags.get("DATE", ""), tags.get("DATES", "").partition(";")[0]]
    texts += re.findall(r"(?<!\d)(?:19|20)\d\d-?\d\d-?\d\d(?!\d)", path.stem)
    for text in texts:
        try:
            return datetime.fromisoformat(text).date()
        except ValueError:
            continue
    raise TableError(
        f"{path}: the date of its labels is unknown; pass --date 2024-05-17, or name it {path.stem}_20240517"
    )


def _near(places: Sequence[Place], area: Grid) -> list[Place]:
    """Return the windows whose bounding box, in the raster's reference system, meets the raster."""
    near = []
    for place in places:
        height, width = place.grid.shape
        xs, ys = place.grid.to_crs([0, 0, height, height], [0, width, 0, width])
        rows, columns = area.from_crs(
            *map(np.array, transform_coordinates(place.grid.crs or WGS84, area.crs or WGS84, xs, ys))
        )
        if rows.max() > 0 and columns.max() > 0 and rows.min() < area.height and columns.min() < area.width:
            near.append(place)
    return near


def _balanced(
    windows: list[tuple[Place, LabelArea, dict[int, int]]], settings: ChipSettings
) -> list[tuple[Place, LabelArea, dict[int, int]]]:
    """Return at most `settings.sample` windows, drawn by the seed; with `balance`, classes take turns."""
    if settings.sample is None or len(windows) <= settings.sample:
        return windows

    def draw(window: tuple[Place, LabelArea, dict[int, int]]) -> bytes:
        place, area, _ = window
        key = f"{settings.seed} {area.path.name} {place.tile} {place.row} {place.column}"
        return hashlib.sha256(key.encode()).digest()

    shuffled = sorted(windows, key=draw)
    if not settings.balance:
        chosen = shuffled[: settings.sample]
    else:
        holders: dict[int, list[int]] = {}
        for index, (*_, counts) in enumerate(shuffled):
            for value in counts:
                holders.setdefault(value, []).append(index)
        taken: dict[int, None] = {}
        turns = sorted(holders, key=lambda value: (len(holders[value]), value))
        while len(taken) < settings.sample:
            for value in turns:
                left = [index for index in holders[value] if index not in taken]
                if left and len(taken) < settings.sample:
                    taken[left[0]] = None
        chosen = [shuffled[index] for index in taken]
    return [window for window in windows if any(window is other for other in chosen)]
