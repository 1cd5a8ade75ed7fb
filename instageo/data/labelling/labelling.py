"""What a run needs of its labels, whether they are points, rasters or polygons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instageo.data.matching.candidates import MatchRules
from instageo.data.matching.chip_plan import ChipPlan
from instageo.data.matching.dates import DateRule
from instageo.data.matching.match import Matches
from instageo.data.matching.scenes import Scenes
from instageo.data.output.skipped import Skipped


@dataclass(frozen=True)
class ChipLabel:
    """The label of a chip.

    Attributes:
        values: Label map, shape (H, W), int16 classes with -1 or float32 values with -9999; None for a text.
        text: Label of the whole chip, as the table holds it.
        counts: Labelled pixels of each class.
        points: Number of observations in the chip.
        skipped: Observations that give no label.
        columns: Further columns of the row.
    """

    values: NDArray[np.generic] | None
    text: str = ""
    counts: Mapping[int, int] | None = None
    points: int = 0
    skipped: tuple[Skipped, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


class Labelling(Protocol):
    """Labels of a run: where and when they are, which chips they need, and their pixels."""

    @property
    def classes(self) -> bool:
        """Whether labels are classes; otherwise they are values."""

    @property
    def count(self) -> int:
        """Number of observations, each of which ends in a chip or among the skipped ones."""

    @property
    def sha256(self) -> str:
        """Checksum of the input."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user."""

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Observations that are left out before any search."""

    def places(self, dates: DateRule) -> Sequence[tuple[float, float, date, date]]:
        """Return where and when images are needed: longitude, latitude, first and last day."""

    def match(self, scenes: Scenes, rules: MatchRules) -> Matches:
        """Return the chips to be made."""

    def label(self, plan: ChipPlan, observed: NDArray[np.bool_]) -> ChipLabel:
        """Return the label of a chip; `observed`, shape (H, W), is where any date has an observation."""

    def numbers(self, plan: ChipPlan) -> Sequence[int]:
        """Return the numbers of the observations in a chip."""

    def describe(self) -> Mapping[int, Mapping[str, Any]]:
        """Return columns of each observation by its number, for the list of skipped ones."""
