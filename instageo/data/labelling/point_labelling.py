"""Labels at points: a map with a value at each point, or the label itself in the table."""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.labelling import ChipLabel, SearchPlace
from instageo.data.matching.candidates import MatchRules
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.dates import DateRule
from instageo.data.matching.match import Matches, match
from instageo.data.matching.scenes import Scenes
from instageo.data.observations.observation import Observation
from instageo.data.output.skipped import Skipped
from instageo.raster.warp import WGS84, transform_coordinates


@dataclass(frozen=True)
class PointLabelling:
    """Labels of a table of points."""

    settings: ChipSettings
    observations: tuple[Observation, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    classes: bool = True
    sha256: str = ""

    @classmethod
    def from_settings(cls, settings: ChipSettings) -> Self:
        """Read the table."""
        content = Path(settings.input).read_bytes()
        rows = csv.DictReader(content.decode().splitlines())
        observations = tuple(
            Observation(
                number, float(row["lon"]), float(row["lat"]), datetime.fromisoformat(row["date"]).replace(tzinfo=UTC),
                float(row["label"]), row["label"],
            )
            for number, row in enumerate(rows, start=1)
        )  # fmt: skip
        return cls(settings, observations, sha256=hashlib.sha256(content).hexdigest())

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.observations) + len(self.skipped)

    def places(self, dates: DateRule) -> Sequence[SearchPlace]:
        """Return where and when images are needed."""
        places = []
        for observation in self.observations:
            periods = dates.periods(observation.time.date())
            places.append(SearchPlace(observation.longitude, observation.latitude, periods[0].first, periods[-1].last))
        return places

    def match(self, scenes: Scenes, rules: MatchRules) -> Matches:
        """Return the chips to be made."""
        return match(self.observations, scenes, rules)

    def label(self, plan: ChipPlan, observed: NDArray[np.bool_]) -> ChipLabel:  # noqa: ARG002
        """Return the label map of a chip."""
        values = np.full(plan.grid.shape, -1, np.int16)
        for observation in plan.observations:
            xs, ys = transform_coordinates(WGS84, plan.grid.crs or "", [observation.longitude], [observation.latitude])
            rows, columns = plan.grid.from_crs(np.array(xs), np.array(ys))
            values[int(rows[0]), int(columns[0])] = observation.label
        found, counts = np.unique(values[values >= 0], return_counts=True)
        return ChipLabel(values, counts=dict(zip(found.tolist(), counts.tolist(), strict=True)),
                         points=len(plan.observations))  # fmt: skip

    def numbers(self, plan: ChipPlan) -> Sequence[int]:
        """Return the rows of the observations in a chip."""
        return [observation.number for observation in plan.observations]

    def describe(self) -> Mapping[int, Mapping[str, Any]]:
        """Return place, date and label of each row."""
        return {
            o.number: {"lat": o.latitude, "lon": o.longitude, "date": o.time.date().isoformat(), "label": o.text}
            for o in self.observations
        }
