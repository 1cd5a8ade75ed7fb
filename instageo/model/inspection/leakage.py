"""What two tables share: the same files, and ground under their chips, so that scores on one flatter the other."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from instageo.geodesy.distances import find_nearest_pair
from instageo.locations import hide_secrets, is_remote
from instageo.model.inspection.report import TableReport
from instageo.model.inspection.shared_ground import find_places, find_touching
from instageo.table import Row
from instageo.wording import counted

log = logging.getLogger(__name__)

ADVICE = "split again with instageo split --by blocks --buffer-km …"
"""What to do about chips that share ground."""


@dataclass(frozen=True)
class Separation:
    """What a second table shares with a first one.

    Attributes:
        chips: Files of chips that are in both tables.
        labels: Files of labels that are in both tables, of different chips.
        placed: Number of other chips of the second table whose place is known.
        touching: How many of them overlap or touch a chip of the first table.
        nearest: The chip of the second and the chip of the first table whose centres are nearest; None without places.
        center_distance_km: Distance of these centres.
        gap_km: No chip of the second table is nearer to one of the first than this: 0 if some overlap or touch, else a
            lower bound of the distance between footprints. None without places, or if only points are known.
    """

    chips: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    placed: int = 0
    touching: int = 0
    nearest: tuple[str, str] | None = None
    center_distance_km: float | None = None
    gap_km: float | None = None

    def sentences(self, first: str, second: str) -> list[str]:
        """Return a sentence for each thing that the tables, given by their names, share, for a warning."""
        warnings = []
        for names, noun in ((self.chips, "chip"), (self.labels, "label file")):
            if names:
                shown = names[0] + (" …" if names[1:] else "")
                warnings.append(
                    f"{counted(len(names), noun, 'are')} in both {first} and {second}, so scores will be too "
                    f"good: {shown}"
                )
        if self.touching and self.nearest and self.center_distance_km is not None:
            one, other = self.nearest
            verbs = "overlaps or touches" if self.touching == 1 else "overlap or touch"
            chips = f"{self.touching} of {counted(self.placed, 'chip')} of {second} {verbs} chips of {first}"
            apart = f"the nearest are {one} and {other}, with {format_distance(self.center_distance_km)} between"
            warnings.append(f"{chips}, so scores will be too good; {apart} their centres; {ADVICE}")
        return warnings

    def to_dict(self) -> dict[str, Any]:
        """Return what is shared as plain types for `run.json`."""
        return {
            "shared_chips": len(self.chips),
            "shared_label_files": len(self.labels),
            "chips_with_place": self.placed,
            "chips_on_shared_ground": self.touching,
            "distance_at_least_km": self.gap_km,
            "nearest_centers_km": self.center_distance_km,
            "nearest_chips": self.nearest,
        }


def compare_tables(first: TableReport, second: TableReport) -> Separation:
    """Find out which files two tables share, and how near the chips of the second are to those of the first.

    Chips lie where their georeference says, others where the columns `lat` and `lon` do; chips without a place do not
    count.
    """
    names = {file_name(row.input) for row in first.rows}
    other_rows = [file_name(row.input) not in names for row in second.rows]
    chips = sorted({file_name(row.input) for row in second.rows} & names)
    labels = sorted(_label_names(first.rows) & _label_names(_select(second.rows, other_rows)))
    first_footprints, second_footprints = find_places(first, [True] * len(first.rows)), find_places(second, other_rows)
    shared = Separation(_hide(chips), _hide(labels), int(second_footprints.counts.sum()))
    nearest = find_nearest_pair(second_footprints.centers, first_footprints.centers)
    if nearest is None:
        return shared
    touching = int(second_footprints.counts[find_touching(second_footprints, first_footprints)].sum())
    bound = find_nearest_pair(second_footprints.circles, first_footprints.circles)
    gap = bound.distance_km if bound and first_footprints.have_extent and second_footprints.have_extent else None
    return Separation(
        shared.chips,
        shared.labels,
        shared.placed,
        touching,
        (second_footprints.rows[nearest.first].name, first_footprints.rows[nearest.second].name),
        nearest.distance_km,
        0.0 if touching else gap,
    )


def warn_if_shared(first: tuple[str, TableReport], second: tuple[str, TableReport]) -> Separation:
    """Warn of files and ground that two tables, each given with its name, share, and return what they share."""
    (one, report), (other, other_report) = first, second
    separation = compare_tables(report, other_report)
    for sentence in separation.sentences(hide_secrets(one), hide_secrets(other)):
        log.warning("%s", sentence)
    return separation


def file_name(location: str) -> str:
    """Return the location of a file, written in the same way in all rows: without `./` and `..`."""
    return location if is_remote(location) else os.path.normpath(location)


def format_distance(kilometres: float) -> str:
    """Return a distance in metres below 1 km, else in kilometres.

    Examples:
        >>> format_distance(0.4801), format_distance(12.3)
        ('480 m', '12.30 km')
    """
    return f"{1000 * kilometres:.0f} m" if kilometres < 1 else f"{kilometres:.2f} km"


def _label_names(rows: Sequence[Row]) -> set[str]:
    return {file_name(row.label) for row in rows if row.label and row.label_is_file}


def _select(rows: Sequence[Row], selection: Sequence[bool]) -> list[Row]:
    return [row for row, chosen in zip(rows, selection, strict=True) if chosen]


def _hide(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(hide_secrets, names))
