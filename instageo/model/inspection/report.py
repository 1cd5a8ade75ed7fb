"""Looks at every row of a table before work begins, so that nothing fails or vanishes later."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce

from instageo.errors import DataError, InstaGeoError, RasterError
from instageo.locations import file_stamp, hide_secrets, is_remote
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.inspection.row_stats import RowResult, RowStats, StatsCache, TransientError
from instageo.model.inspection.statistics import Moments, merge_moments
from instageo.parallel import map_processes, map_threads
from instageo.progress import track
from instageo.table import Row

log = logging.getLogger(__name__)

MAX_REASONS = 3
"""Different reasons named in a message."""

MIN_ROWS_FOR_PROCESSES = 500
"""Rows of local files from which processes are worth their start."""


@dataclass(frozen=True)
class TableReport:
    """What a check found.

    Attributes:
        rows: Rows that can be used.
        facts: Facts on each of them.
        dropped: Rows that cannot, each with its reason.
    """

    rows: tuple[Row, ...]
    facts: tuple[RowStats, ...]
    dropped: tuple[tuple[Row, str], ...] = ()

    @property
    def largest(self) -> tuple[int, int]:
        """Rows of the tallest and columns of the widest chip."""
        return max(fact.height for fact in self.facts), max(fact.width for fact in self.facts)

    @property
    def layers(self) -> int:
        """Layers of each file."""
        return self.facts[0].layers

    @property
    def class_counts(self) -> list[int]:
        """Labelled pixels of each class; empty where no chip has a label."""
        labelled = [fact.class_counts for fact in self.facts if fact.class_counts]
        return [sum(counts) for counts in zip(*labelled, strict=True)]

    @property
    def values(self) -> Moments:
        """Moments of the values of all chips, merged in the table's order."""
        return reduce(merge_moments, [fact.values for fact in self.facts if fact.values is not None])

    @property
    def target(self) -> Moments:
        """Moments of all labels of continuous values, and, if they are wanted, of their log(1 + value)."""
        return reduce(merge_moments, [fact.target for fact in self.facts if fact.target is not None])

    @property
    def labelled(self) -> list[int]:
        """Labels of each class, or, where they are values, of all in one number; empty where no chip has a label."""
        return self.class_counts if self.label_range is None else [self.target.count]

    @property
    def label_range(self) -> tuple[float, float] | None:
        """Lowest and highest label, where labels are values."""
        if all(fact.target is None for fact in self.facts):
            return None
        return float(self.target.low[0]), float(self.target.high[0])

    def coordinates(self) -> str:
        """For how many chips time and place are known, for the log."""
        dated = sum(fact.temporal_coords is not None for fact in self.facts)
        placed = sum(fact.location_coords is not None for fact in self.facts)
        return f"time is known for {dated}, place for {placed} of {len(self.facts)} chips"

    def summary(self) -> str:
        """One line for the log."""
        sizes = Counter(f"{fact.height}x{fact.width}" for fact in self.facts)
        text = f"{len(self.rows)} chips of {self.layers} layers, {', '.join(sizes)} pixels"
        return f"{text}; left out {len(self.dropped)}: {summarize_reasons(self.dropped)}" if self.dropped else text


def inspect_rows(
    name: str, rows: Sequence[Row], look: InspectionSpec, known: StatsCache | None = None
) -> list[RowResult]:
    """Facts on every row, or why it cannot be used; with all cores, and at rows already known not again.

    Args:
        name: The table, for the progress bar.
        rows: Its rows.
        look: What is looked at.
        known: What was found before; it is brought up to date.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        stamps = list(pool.map(_stamp, rows)) if known else [None] * len(rows)
        before = [known.get(row, mark) if known and mark else None for row, mark in zip(rows, stamps, strict=True)]
    open_ones = [row for row, found in zip(rows, before, strict=True) if not look.suffices(found)]
    new = iter(track(_look_at_all(open_ones, look), f"checking {name}", len(open_ones)))
    found = [fact if fact is not None and look.suffices(fact) else next(new) for fact in before]
    if known is not None:
        known.keep(rows, stamps, found)
    return _same_layers(rows, found)


def build_report(name: str, rows: Sequence[Row], found: Sequence[RowResult], *, skip_bad: bool) -> TableReport:
    """The rows that can be used.

    Args:
        name: The table, for messages.
        rows: Its rows.
        found: What `look_at_rows` found.
        skip_bad: Leave out rows that cannot be used instead of stopping.

    Raises:
        DataError: A row cannot be used and `skip_bad` is off, or none can.
    """
    good = [(row, fact) for row, fact in zip(rows, found, strict=True) if isinstance(fact, RowStats)]
    bad = [(row, fact) for row, fact in zip(rows, found, strict=True) if isinstance(fact, str)]
    if bad and not (skip_bad and good):
        hint = "" if skip_bad or not good else ". dataloader.on_bad_row=skip leaves such rows out"
        raise DataError(f"{name}: {len(bad)} of {len(rows)} rows cannot be used: {summarize_reasons(bad)}{hint}")
    report = TableReport(tuple(row for row, _ in good), tuple(fact for _, fact in good), tuple(bad))
    (log.warning if bad else log.info)("%s: %s", name, report.summary())
    return report


def summarize_reasons(bad: Sequence[tuple[Row, str]]) -> str:
    """The first row of each reason, and how many others have the same."""
    alike: dict[str, list[str]] = {}
    for row, reason in bad:
        bare = reason.replace(hide_secrets(row.input), "").replace(hide_secrets(row.label or ""), "")
        alike.setdefault(bare, []).append(reason)
    shown = [f"{group[0]} (and {len(group) - 1} more like it)" if group[1:] else group[0] for group in alike.values()]
    more = f"; and {len(shown) - MAX_REASONS} other reasons" if len(shown) > MAX_REASONS else ""
    return "; ".join(shown[:MAX_REASONS]) + more


def _stamp(row: Row) -> str | None:
    """What changes when a file of the row does; None where that cannot be known."""
    chip = file_stamp(row.input)
    label = file_stamp(row.label) if row.label and row.label_is_file else ""
    return None if chip is None or label is None else f"{chip} {label}"


def _look_at_all(rows: Sequence[Row], look: InspectionSpec) -> Iterator[RowResult]:
    """Facts on every row: opening a local file holds Python's lock, so many are left to processes."""
    local = not any(is_remote(row.input) for row in rows)
    return (map_processes if local and len(rows) >= MIN_ROWS_FOR_PROCESSES else map_threads)(
        partial(_facts, look=look), rows
    )


def _facts(row: Row, look: InspectionSpec) -> RowResult:
    try:
        return inspect_row(row, look)
    except RasterError as error:
        return TransientError(error)
    except InstaGeoError as error:
        return str(error)


def _same_layers(rows: Sequence[Row], found: Sequence[RowResult]) -> list[RowResult]:
    counts = Counter(fact.layers for fact in found if isinstance(fact, RowStats))
    if len(counts) < 2:
        return list(found)
    usual = counts.most_common(1)[0][0]
    return [
        f"{row.input}: has {fact.layers} layers, most other files {usual}; one table needs one layout"
        if isinstance(fact, RowStats) and fact.layers != usual
        else fact
        for row, fact in zip(rows, found, strict=True)
    ]
