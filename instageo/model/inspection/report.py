"""Inspect every row of a table before work begins, so that no row fails or is lost later."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce

from instageo.errors import DataError, InstaGeoError, LayerError, OutOfMemoryError, RasterError
from instageo.locations import file_stamp, hide_secrets, is_remote
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.scale_tags import describe_choices
from instageo.model.inspection.class_weights import compute_class_weights
from instageo.model.inspection.extremes import check_extremes
from instageo.model.inspection.row import InspectionSpec, inspect_row
from instageo.model.inspection.row_stats import RowResult, RowStats, StatsCache, TransientError
from instageo.model.inspection.statistics import Moments, merge_moments
from instageo.runtime.memory import explain_memory_errors
from instageo.runtime.parallel import map_processes, map_threads
from instageo.runtime.progress import track
from instageo.table import Row
from instageo.wording import counted

log = logging.getLogger(__name__)

MAX_REASONS = 3
"""Number of different reasons that a message names at most."""

MIN_ROWS_FOR_PROCESSES = 500
"""Number of rows of local files from which the start of processes pays off."""


@dataclass(frozen=True)
class TableReport:
    """Result of the inspection of a table.

    Attributes:
        rows: Rows that can be used.
        row_stats: Statistics of each of them.
        dropped: Rows that cannot be used, each with its reason.
    """

    rows: tuple[Row, ...]
    row_stats: tuple[RowStats, ...]
    dropped: tuple[tuple[Row, str], ...] = ()

    @property
    def max_shape(self) -> tuple[int, int]:
        """Height of the tallest chip and width of the widest one."""
        return max(stats.height for stats in self.row_stats), max(stats.width for stats in self.row_stats)

    @property
    def num_layers(self) -> int:
        """Number of layers of each file."""
        return self.row_stats[0].num_layers

    @property
    def mask_kinds(self) -> Counter[str]:
        """How many chips have a mask of their own, by what holds it."""
        return Counter(stats.mask_kind for stats in self.row_stats if stats.mask_kind is not None)

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that are read of the first file, time-major."""
        return self.row_stats[0].layers

    @property
    def notes(self) -> Counter[str]:
        """What the files say and what does not count, each with the number of files."""
        return Counter(note for stats in self.row_stats for note in stats.notes)

    @property
    def tag_factor(self) -> float | None:
        """Factor from the values that the files' scale tags give to the unit of the chips; None without tags."""
        return next((stats.tag_factor for stats in self.row_stats if stats.tag_factor is not None), None)

    @property
    def class_counts(self) -> list[int]:
        """Labelled pixels of each class; empty if no chip has a label."""
        counts_by_row = [stats.class_counts for stats in self.row_stats if stats.class_counts]
        return [sum(counts) for counts in zip(*counts_by_row, strict=True)]

    def class_weights(self, weighting: str) -> list[float]:
        """Return a weight per class; see `compute_class_weights`."""
        return compute_class_weights(self.class_counts, weighting)

    @property
    def band_moments(self) -> Moments:
        """Moments of the bands over all chips, merged in the table's order."""
        return reduce(merge_moments, [stats.band_moments for stats in self.row_stats if stats.band_moments is not None])

    def check_extremes(self, band_names: Sequence[str]) -> None:
        """Report or refuse a value that would decide mean and std by itself; see `check_extremes`."""
        check_extremes(self.rows, [stats.band_moments for stats in self.row_stats], band_names)

    @property
    def label_moments(self) -> Moments:
        """Moments of all labels of continuous values and, if requested, of log(1 + label)."""
        return reduce(
            merge_moments, [stats.label_moments for stats in self.row_stats if stats.label_moments is not None]
        )

    @property
    def label_counts(self) -> list[int]:
        """Number of labels of each class, or of all continuous values in one number; empty if no chip has a label."""
        return self.class_counts if self.label_range is None else [self.label_moments.count]

    @property
    def label_range(self) -> tuple[float, float] | None:
        """Lowest and highest label of continuous values; None for classes."""
        if all(stats.label_moments is None for stats in self.row_stats):
            return None
        return float(self.label_moments.low[0]), float(self.label_moments.high[0])

    def coordinate_summary(self) -> str:
        """Return, for the log, for how many chips dates and location are known."""
        dated = sum(stats.temporal_coords is not None for stats in self.row_stats)
        located = sum(stats.location_coords is not None for stats in self.row_stats)
        return f"dates are known for {dated}, the location for {located} of {counted(len(self.row_stats), 'chip')}"

    def summary(self) -> str:
        """Return one line for the log."""
        sizes = Counter(f"{stats.height}x{stats.width}" for stats in self.row_stats)
        text = f"{counted(len(self.rows), 'chip')} of {counted(self.num_layers, 'layer')}, {', '.join(sizes)} pixels"
        return f"{text}; left out {len(self.dropped)}: {summarize_reasons(self.dropped)}" if self.dropped else text


def inspect_rows(
    name: str, rows: Sequence[Row], spec: InspectionSpec, cache: StatsCache | None = None
) -> list[RowResult]:
    """Inspect every row, with all cores; rows whose result is cached are not opened again.

    Args:
        name: The table, for the progress bar.
        rows: Its rows.
        spec: How rows are inspected.
        cache: Earlier results; it is updated.

    Returns:
        Statistics of each row, or why it cannot be used.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        stamps = list(pool.map(_stamp, rows)) if cache else [None] * len(rows)
        cached = [cache.get(row, stamp) if cache and stamp else None for row, stamp in zip(rows, stamps, strict=True)]
    pending = [row for row, result in zip(rows, cached, strict=True) if not spec.is_met_by(result)]
    new = iter(track(_inspect_all(pending, spec), f"checking {name}", len(pending)))
    results = [result if result is not None and spec.is_met_by(result) else next(new) for result in cached]
    if cache is not None:
        cache.update(rows, stamps, results)
    return _require_same_unit(rows, _require_same_layers(rows, results, spec), spec)


def build_report(name: str, rows: Sequence[Row], results: Sequence[RowResult], *, skip_bad: bool) -> TableReport:
    """Build the report on a table from what `inspect_rows` returned.

    Args:
        name: The table, for messages.
        rows: Its rows.
        results: One for each row.
        skip_bad: Leave out rows that cannot be used instead of raising an error.

    Raises:
        DataError: A row cannot be used and `skip_bad` is off, or no row can be used.
    """
    good = [(row, result) for row, result in zip(rows, results, strict=True) if isinstance(result, RowStats)]
    bad = [(row, result) for row, result in zip(rows, results, strict=True) if isinstance(result, str)]
    if bad and not (skip_bad and good):
        hint = "" if skip_bad or not good else "; set dataloader.on_bad_row=skip to leave such rows out"
        raise DataError(
            f"{name}: {len(bad)} of {counted(len(rows), 'row')} cannot be used: {summarize_reasons(bad)}{hint}"
        )
    report = TableReport(tuple(row for row, _ in good), tuple(stats for _, stats in good), tuple(bad))
    (log.warning if bad else log.info)("%s: %s", name, report.summary())
    for note, count in report.notes.items():
        log.warning("%s: %s (%d of %d files)", name, note, count, len(report.rows))
    return report


def summarize_reasons(bad: Sequence[tuple[Row, str]]) -> str:
    """Return the first row of each reason, and how many others have the same."""
    groups: dict[str, list[str]] = {}
    for row, reason in bad:
        without_paths = reason.replace(hide_secrets(row.input), "").replace(hide_secrets(row.label or ""), "")
        groups.setdefault(without_paths, []).append(reason)
    shown = [f"{group[0]} (and {len(group) - 1} more like it)" if group[1:] else group[0] for group in groups.values()]
    more = f"; and {counted(len(shown) - MAX_REASONS, 'other reason')}" if len(shown) > MAX_REASONS else ""
    return "; ".join(shown[:MAX_REASONS]) + more


def _stamp(row: Row) -> str | None:
    """Return a text that changes when a file of the row does; None if changes cannot be noticed."""
    chip = file_stamp(row.input)
    label = file_stamp(row.label) if row.label and row.label_is_file else ""
    return None if chip is None or label is None else f"{chip} {label}"


def _inspect_all(rows: Sequence[Row], spec: InspectionSpec) -> Iterator[RowResult]:
    """Inspect rows with threads, but many local files with processes, since opening those holds Python's lock."""
    local = not any(is_remote(row.input) for row in rows)
    run = map_processes if local and len(rows) >= MIN_ROWS_FOR_PROCESSES else map_threads
    return run(partial(_try_inspect_row, spec=spec), rows)


def _try_inspect_row(row: Row, spec: InspectionSpec) -> RowResult:
    try:
        with explain_memory_errors(row.input, "close other programs, or use a machine with more memory"):
            return inspect_row(row, spec)
    except LayerError as error:
        return str(error)
    except (RasterError, OutOfMemoryError) as error:
        return TransientError(error)
    except InstaGeoError as error:
        return str(error)


def _require_same_layers(rows: Sequence[Row], results: Sequence[RowResult], spec: InspectionSpec) -> list[RowResult]:
    """Reject rows whose files have another number of layers than most, unless layers are chosen by name."""
    if spec.chip_format.rules.by_name:
        return list(results)
    counts = Counter(result.num_layers for result in results if isinstance(result, RowStats))
    if len(counts) < 2:
        return list(results)
    usual = counts.most_common(1)[0][0]
    return [
        f"{row.input}: has {counted(result.num_layers, 'layer')}, but most other files have {usual}; "
        "all files of a table need the same layout"
        if isinstance(result, RowStats) and result.num_layers != usual
        else result
        for row, result in zip(rows, results, strict=True)
    ]


def require_same_layout(
    first: tuple[str, TableReport], second: tuple[str, TableReport], chip_format: ChipFormat
) -> None:
    """Check that the files of two tables have the same number of layers, and values in the same unit.

    Args:
        first: Name and report of a table.
        second: Name and report of another.
        chip_format: How their chips are read.

    Raises:
        DataError: They differ.
    """
    (one, report), (other, other_report) = first, second
    counts, default = (report.num_layers, other_report.num_layers), chip_format.tag_factor
    if counts[0] != counts[1] and not chip_format.rules.by_name:
        raise DataError(
            f"{one} has files of {counted(counts[0], 'layer')}, {other} of {counts[1]}; both tables need the same "
            "layout"
        )
    if _unit(report.row_stats[0], default) != _unit(other_report.row_stats[0], default):
        raise DataError(f"the files of {one} have other scale tags than those of {other}; {describe_choices(default)}")


def _unit(stats: RowStats, default: float) -> float:
    """Return the unit that the scale tags of a row's file give, to five digits."""
    return float(f"{default if stats.tag_factor is None else stats.tag_factor:.5g}")


def _require_same_unit(rows: Sequence[Row], results: Sequence[RowResult], spec: InspectionSpec) -> list[RowResult]:
    """Reject rows whose scale tags give another unit than those of most other files; without tags it is the default."""
    default = spec.chip_format.tag_factor
    counts = Counter(_unit(result, default) for result in results if isinstance(result, RowStats))
    if len(counts) < 2:
        return list(results)
    usual = counts.most_common(1)[0][0]
    return [
        f"{row.input}: has {'no scale tags' if result.tag_factor is None else 'other scale tags'}, unlike most other "
        f"files of the table; {describe_choices(default)}"
        if isinstance(result, RowStats) and _unit(result, default) != usual
        else result
        for row, result in zip(rows, results, strict=True)
    ]
