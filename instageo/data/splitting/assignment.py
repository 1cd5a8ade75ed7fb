"""Which row of a table goes into which part."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

DROPPED = -1
"""Part of a row that is in none."""


@dataclass(frozen=True)
class Assignment:
    """Parts of the rows of a table.

    Attributes:
        parts: Names of the parts, the lesser first: a buffer drops rows of the lesser part.
        part: Index of each row's part, `DROPPED` for rows in none, shape (N,).
        reasons: Why a row is in none, by row.
        dropped_from: Part that a dropped row was in before, by row.
        proof: What verification needs to know, as JSON takes it.
        notes: Remarks for the user.
    """

    parts: tuple[str, ...]
    part: NDArray[np.intp]
    reasons: Mapping[int, str] = field(default_factory=dict)
    dropped_from: Mapping[int, str] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rows(self, name: str) -> NDArray[np.intp]:
        """Return the rows of a part in the order of the table."""
        return np.flatnonzero(self.part == self.parts.index(name))

    def drop(self, mask: NDArray[np.bool_], reason: str) -> "Assignment":
        """Return the assignment without the rows of a mask, shape (N,); rows already dropped keep their reason."""
        rows = np.flatnonzero(mask & (self.part != DROPPED))
        origins = {int(row): self.parts[self.part[row]] for row in rows}
        return replace(
            self,
            part=np.where(mask, DROPPED, self.part),
            reasons={**self.reasons, **dict.fromkeys(origins, reason)},
            dropped_from={**self.dropped_from, **origins},
        )

    def with_notes(self, *notes: str) -> "Assignment":
        """Return the assignment with further remarks."""
        return replace(self, notes=(*self.notes, *notes))
