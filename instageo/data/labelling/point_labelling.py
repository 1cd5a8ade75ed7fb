"""Labels at points: a map with a value at each point, or the label itself in the table."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_settings import ChipSettings
from instageo.data.labelling.labelling import ChipLabel
from instageo.data.labelling.point_labels import PointStatus, label_map
from instageo.data.matching.candidates import MatchRules
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.dates import DateRule
from instageo.data.matching.match import Matches, match
from instageo.data.matching.scenes import Scenes
from instageo.data.observations.from_settings import read_observations
from instageo.data.observations.observation import Observation
from instageo.data.observations.points import PointTable
from instageo.data.output.skipped import Reason, Skipped


@dataclass(frozen=True)
class PointLabelling:
    """Labels of a table of points.

    Attributes:
        settings: Options of the command.
        table: The table.
    """

    settings: ChipSettings
    table: PointTable

    @classmethod
    def from_settings(cls, settings: ChipSettings) -> Self:
        """Read the table.

        Raises:
            TableError: It has problems; all of them are in the message.
        """
        return cls(settings, read_observations(settings))

    @property
    def classes(self) -> bool:
        """Whether labels are classes; otherwise they are values."""
        return self.table.classes

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.table.observations) + len(self.table.skipped)

    @property
    def sha256(self) -> str:
        """Checksum of the table."""
        return hashlib.sha256(self.table.content).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What was detected in the table."""
        return self.table.notes

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Rows that repeat others."""
        return self.table.skipped

    def places(self, dates: DateRule) -> Sequence[tuple[float, float, date, date]]:
        """Return where and when images are needed: longitude, latitude, first and last day."""
        search_points = []
        for observation in self.table.observations:
            periods = dates.periods(observation.time.date())
            search_points.append((observation.longitude, observation.latitude, periods[0].first, periods[-1].last))
        return search_points

    def match(self, scenes: Scenes, rules: MatchRules) -> Matches:
        """Return the chips to be made."""
        return match(self.table.observations, scenes, rules)

    def label(self, plan: ChipPlan, observed: NDArray[np.bool_]) -> ChipLabel:  # noqa: ARG002
        """Return the label of a chip: a map, or the label of its one point."""
        points, columns = plan.observations, _common_columns(plan.observations)
        if not self.table.has_labels:
            return ChipLabel(None, points=len(points), columns=columns)
        if self.settings.label == "value":
            return ChipLabel(None, text=points[0].text, points=len(points), columns=columns)
        labels = label_map(
            plan.grid, points, window=self.settings.window, on_conflict=self.settings.on_conflict, classes=self.classes
        )
        skipped = tuple(
            Skipped(point.number, Reason.LABEL_CONFLICT, f"another label in its pixel of {plan.name}")
            for point, status in zip(points, labels.statuses, strict=True)
            if status is not PointStatus.LABELLED
        )
        counts: dict[int, int] = {}
        if self.classes:
            values, numbers = np.unique(labels.values[labels.values != -1], return_counts=True)
            counts = dict(zip(values.astype(int).tolist(), numbers.tolist(), strict=True))
        return ChipLabel(
            labels.values, counts=counts, points=len(points) - len(skipped), skipped=skipped, columns=columns
        )

    def numbers(self, plan: ChipPlan) -> Sequence[int]:
        """Return the rows of the observations in a chip."""
        return [observation.number for observation in plan.observations]

    def describe(self) -> Mapping[int, Mapping[str, Any]]:
        """Return place, date and label of each row."""
        described: dict[int, dict[str, Any]] = {}
        for point in (*self.table.observations, *self.table.repeated):
            described[point.number] = {
                "lat": round(point.latitude, 7), "lon": round(point.longitude, 7), "date": point.time.date(),
                "label": point.text,
            }  # fmt: skip
        return described


def _common_columns(points: Sequence[Observation]) -> dict[str, str]:
    """Return the further columns of the table with the different values of a chip's points, separated by `;`."""
    names = dict.fromkeys(name for point in points for name in point.extra)
    return {name: ";".join(dict.fromkeys(point.extra.get(name, "") for point in points)) for name in names}
