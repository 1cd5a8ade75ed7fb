"""Looks at every row of a table before work begins, so that nothing fails or vanishes later."""

import logging
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from instageo.errors import DataError, InstaGeoError
from instageo.locations import hide_secrets
from instageo.model.coordinates import coordinates_of
from instageo.model.decoding import ChipFormat, LabelFormat, read_chip, read_label
from instageo.progress import track
from instageo.raster import Grid, read_info
from instageo.table import Row

log = logging.getLogger(__name__)

SHOWN = 3
"""Different reasons named in a message."""


@dataclass(frozen=True)
class RowFacts:
    """What one row holds: layers of the file, its size, whether time and place are known, labelled pixels per class."""

    layers: int
    height: int
    width: int
    dated: bool = False
    placed: bool = False
    class_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class TableReport:
    """What a check found.

    Attributes:
        rows: Rows that can be used.
        facts: Facts on each of them.
        dropped: Rows that cannot, each with its reason.
    """

    rows: tuple[Row, ...]
    facts: tuple[RowFacts, ...]
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
        """Labelled pixels of each class."""
        return [int(count) for count in np.sum([fact.class_counts for fact in self.facts], axis=0)]

    def coordinates(self) -> str:
        """For how many chips time and place are known, for the log."""
        dated, placed = sum(fact.dated for fact in self.facts), sum(fact.placed for fact in self.facts)
        return f"time is known for {dated}, place for {placed} of {len(self.facts)} chips"

    def summary(self) -> str:
        """One line for the log."""
        sizes = Counter(f"{fact.height}x{fact.width}" for fact in self.facts)
        text = f"{len(self.rows)} chips of {self.layers} layers, {', '.join(sizes)} pixels"
        return f"{text}; left out {len(self.dropped)}: {_reasons(self.dropped)}" if self.dropped else text


def check_table(
    name: str, rows: Sequence[Row], chips: ChipFormat, labels: LabelFormat | None, *, bands: int, skip_bad: bool
) -> TableReport:
    """Open every chip and, with `labels`, every label.

    Args:
        name: The table, for messages.
        rows: Its rows.
        chips: How chips are to be read.
        labels: How labels are to be read; None to look at the chips' headers alone.
        bands: Bands per date that the settings describe.
        skip_bad: Leave out rows that cannot be used instead of stopping.

    Raises:
        DataError: A row cannot be used and `skip_bad` is off, or none can.
    """

    def look(row: Row) -> RowFacts | str:
        try:
            return _look(row, chips, labels, bands)
        except InstaGeoError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(track(pool.map(look, rows), f"checking {name}", len(rows)))
    found = _same_layers(rows, found)
    good = [(row, fact) for row, fact in zip(rows, found, strict=True) if isinstance(fact, RowFacts)]
    bad = [(row, fact) for row, fact in zip(rows, found, strict=True) if isinstance(fact, str)]
    if bad and not (skip_bad and good):
        hint = "" if skip_bad or not good else ". dataloader.on_bad_row=skip leaves such rows out"
        raise DataError(f"{name}: {len(bad)} of {len(rows)} rows cannot be used: {_reasons(bad)}{hint}")
    report = TableReport(tuple(row for row, _ in good), tuple(fact for _, fact in good), tuple(bad))
    (log.warning if bad else log.info)("%s: %s", name, report.summary())
    return report


def _reasons(bad: Sequence[tuple[Row, str]]) -> str:
    """The first row of each reason, and how many others have the same."""
    alike: dict[str, list[str]] = {}
    for row, reason in bad:
        bare = reason.replace(hide_secrets(row.input), "").replace(hide_secrets(row.label or ""), "")
        alike.setdefault(bare, []).append(reason)
    shown = [f"{group[0]} (and {len(group) - 1} more like it)" if group[1:] else group[0] for group in alike.values()]
    more = f"; and {len(shown) - SHOWN} other reasons" if len(shown) > SHOWN else ""
    return "; ".join(shown[:SHOWN]) + more


def _look(row: Row, chips: ChipFormat, labels: LabelFormat | None, bands: int) -> RowFacts:
    info = read_info(row.input)
    _check_layers(row, info.layers, chips, bands)
    time, place = coordinates_of(row, info.grid, info.tags, chips.temporal_dim)
    known = bool(np.isfinite(time).all()), bool(np.isfinite(place).all())
    if labels is None or row.label is None:
        return RowFacts(info.layers, *info.grid.shape, *known)
    truth = read_info(row.label)
    if truth.layers != 1:
        raise DataError(f"{row.label}: has {truth.layers} layers; expected a label of one layer")
    _check_grids(row.input, info.grid, row.label, truth.grid)
    label = read_label(row.label, labels)
    valid = read_chip(row.input, chips).valid.any(axis=0)
    if not valid.any():
        raise DataError(f"{row.input}: no valid pixel, all is no-data; check dataloader.no_data_value")
    usable = label[valid & (label != labels.ignore_index)]
    if not usable.size:
        raise DataError(f"{row.label}: no labelled pixel where {row.input} has a valid observation")
    counts = np.bincount(usable, minlength=labels.num_classes)
    return RowFacts(info.layers, *info.grid.shape, *known, tuple(counts.tolist()))


def _check_grids(chip: str, grid: Grid, label: str, other: Grid) -> None:
    if other.shape != grid.shape:
        raise DataError(
            f"{label}: {other.height}x{other.width} pixels, but its chip {chip} has {grid.height}x{grid.width}; "
            "a label must lie on the grid of its chip"
        )
    if not grid.matches(other):
        raise DataError(f"{label}: lies elsewhere than its chip {chip}; a label must lie on the grid of its chip")


def _check_layers(row: Row, layers: int, chips: ChipFormat, bands: int) -> None:
    needed = chips.temporal_dim * bands
    if chips.bands is None and layers != needed:
        raise DataError(
            f"{row.input}: has {layers} layers, expected {needed} ({chips.temporal_dim} dates x {bands} bands); "
            "name the bands with dataloader.band_names, list layers in dataloader.bands, or correct "
            "dataloader.temporal_dim"
        )
    if chips.bands is not None and max(chips.bands) >= layers:
        raise DataError(
            f"{row.input}: has {layers} layers, but dataloader.bands asks for layer {max(chips.bands)} "
            "(counted from 0); correct dataloader.bands or dataloader.sensor"
        )


def _same_layers(rows: Sequence[Row], found: Sequence[RowFacts | str]) -> list[RowFacts | str]:
    counts = Counter(fact.layers for fact in found if isinstance(fact, RowFacts))
    if len(counts) < 2:
        return list(found)
    usual = counts.most_common(1)[0][0]
    return [
        f"{row.input}: has {fact.layers} layers, most other files {usual}; one table needs one layout"
        if isinstance(fact, RowFacts) and fact.layers != usual
        else fact
        for row, fact in zip(rows, found, strict=True)
    ]
