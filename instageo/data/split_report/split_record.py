"""`split.json`: how a table was split, what is in the parts, and what is proved about them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instageo.data.chip_tables.class_counts import ClassCounts
from instageo.data.split_report.facts import Division, PairFacts
from instageo.data.split_report.guarantees import Guarantee
from instageo.data.split_report.outputs import RECORD, digest_lines, row_lines
from instageo.data.splitting.assignment import DROPPED, Assignment
from instageo.errors import TableError
from instageo.files import write_text
from instageo.version import __version__

FORMAT = 1
"""Version of the layout of `split.json`."""

SHOWN = 20
"""Names of shared chips and images that are listed."""


@dataclass(frozen=True)
class SplitReport:
    """What is in the parts of a split, and what is proved about them.

    Attributes:
        folder: Folder of the tables.
        parts: Number of rows by part.
        dropped: Number of dropped rows by reason.
        shares: Fraction of the rows in parts, by part.
        classes: Fraction of each class by part; empty if classes are unknown.
        guarantees: What was checked.
        notes: Remarks for the user.
        record: Content of `split.json`.
    """

    folder: Path
    parts: Mapping[str, int]
    dropped: Mapping[str, int]
    shares: Mapping[str, float]
    classes: Mapping[str, Mapping[str, float]]
    guarantees: tuple[Guarantee, ...] = ()
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def holds(self) -> bool:
        """Whether all guarantees hold."""
        return all(guarantee.holds is not False for guarantee in self.guarantees)

    def summary(self) -> str:
        """Return one line: rows by part with their shares, and dropped rows by reason."""
        parts = ", ".join(f"{name} {count} ({self.shares[name]:.1%})" for name, count in self.parts.items())
        reasons = "; ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        return f"{parts}; dropped {sum(self.dropped.values())}{f' ({reasons})' if reasons else ''}"


def make_report(
    folder: Path,
    division: Division,
    assignment: Assignment,
    classes: ClassCounts | None,
    facts: Sequence[PairFacts],
    guarantees: Sequence[Guarantee],
    how: Mapping[str, Any],
) -> SplitReport:
    """Return the report of a split.

    Args:
        folder: Folder of the tables.
        division: The parts.
        assignment: The parts with reasons and proof.
        classes: Classes of the chips; None if they are unknown.
        facts: What holds between the parts.
        guarantees: What was checked.
        how: Table, strategy and options, as JSON takes them.
    """
    rows = {name: division.rows(number) for number, name in enumerate(division.parts)}
    counts = {name: len(members) for name, members in rows.items()}
    total = max(sum(counts.values()), 1)
    shares = {name: count / total for name, count in counts.items()}
    shares_of_classes = {} if classes is None else {name: _fractions(classes, rows[name]) for name in rows}
    dropped = dict(Counter(assignment.reasons[int(row)] for row in (division.part == DROPPED).nonzero()[0]))
    lines = row_lines(division.table)
    record = {
        "format": FORMAT,
        "version": __version__,
        **how,
        "parts": {
            name: {
                "rows": counts[name], "share": round(shares[name], 6),
                **({"classes": shares_of_classes[name]} if classes is not None else {}),
                "sha256": digest_lines(lines[row] for row in members),
            }
            for name, members in rows.items()
        },
        "dropped": {"rows": sum(dropped.values()), "reasons": dropped},
        "pairs": [_pair_record(pair) for pair in facts],
        "guarantees": [
            {"name": item.name, "found": item.found, "expected": item.expected, "holds": item.holds}
            for item in guarantees
        ],
        "promised": dict(assignment.proof),
        "notes": list(assignment.notes),
    }  # fmt: skip
    notes = tuple(assignment.notes)
    return SplitReport(folder, counts, dropped, shares, shares_of_classes, tuple(guarantees), notes, record)


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write `split.json`."""
    write_text(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the content of `split.json`, None without one.

    Raises:
        TableError: It is damaged, or of a later version.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TableError(f"{path}: cannot be read as JSON ({error}); split the table again") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise TableError(f"{path}: was not written by this version of instageo split; split the table again")
    return record


def _fractions(classes: ClassCounts, rows: Any) -> dict[str, float]:
    counts = classes.counts[rows].sum(axis=0)
    return {
        name: round(float(count), 6)
        for name, count in zip(classes.names, counts / max(counts.sum(), 1), strict=True)
    }  # fmt: skip


def _pair_record(pair: PairFacts) -> dict[str, Any]:
    distance = None if pair.distance_km is None else round(pair.distance_km, 6)
    shared = () if pair.shared_items is None else pair.shared_items
    return {
        "parts": list(pair.parts),
        "min_distance_km": distance,
        "nearest": None if pair.nearest is None else list(pair.nearest),
        "overlapping": pair.overlapping,
        "shared_chips": len(pair.shared_chips),
        "same_content": len(pair.same_content),
        "duplicates": [list(names) for names in pair.same_content[:SHOWN]],
        "shared_items": None if pair.shared_items is None else len(shared),
    }
