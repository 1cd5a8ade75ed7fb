"""How much of each class is in each chip: from columns of the table, its labels, or label files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_tables.chip_table import ChipTable
from instageo.errors import DataError, TableError
from instageo.locations import join_location
from instageo.raster.reading import read_raster
from instageo.runtime.parallel import map_threads
from instageo.runtime.progress import track
from instageo.table import LABEL, NONE

PREFIX = "count_"
"""Beginning of the names of columns with the labelled pixels of a class."""

MOST_CLASSES = 256

MOST_LABELS = 10_000
"""Different labels, each of one or several classes, above which labels are taken for values."""

IGNORED = -1
"""Class of pixels without a label."""


@dataclass(frozen=True)
class ClassCounts:
    """Labelled pixels, or labels, of each chip and class.

    Attributes:
        names: Names of the K classes.
        counts: Shape (N, K).
        unit: `pixels` or `chips`.
    """

    names: tuple[str, ...]
    counts: NDArray[np.float64]
    unit: str

    def majority(self) -> list[str]:
        """Return the most frequent class of each chip; empty without labels."""
        best = self.counts.argmax(axis=1)
        return [self.names[k] if self.counts[row, k] > 0 else "" for row, k in enumerate(best)]


def count_classes(table: ChipTable, source: str) -> ClassCounts | None:
    """Count the classes of each chip.

    Args:
        table: The table.
        source: `auto`, columns or labels of the table; `read`, label files if the table has neither; `none`.

    Returns:
        The counts, or None if the classes are unknown, or the labels are values rather than classes.

    Raises:
        TableError: A column of counts holds something else.
        DataError: A label file is to be read and has no classes.
    """
    columns = [column for column in table.columns if column.startswith(PREFIX)]
    if source == "none":
        return None
    if columns:
        return _from_columns(table, columns)
    if LABEL in table.columns and not table.labels_are_files:
        return _from_labels(table.texts(LABEL))
    return _from_files(table) if source == "read" and LABEL in table.columns else None


def _from_columns(table: ChipTable, columns: Sequence[str]) -> ClassCounts:
    texts = [table.texts(column) for column in columns]
    try:
        counts = np.array([[text or "0" for text in column] for column in texts], dtype=np.float64).T
    except ValueError as error:
        raise TableError(f"{table.name}: columns {PREFIX}… hold something else than numbers ({error})") from error
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise TableError(f"{table.name}: columns {PREFIX}… hold negative numbers, or none at all")
    return ClassCounts(tuple(column.removeprefix(PREFIX) for column in columns), counts, "pixels")


def _from_labels(labels: Sequence[str]) -> ClassCounts | None:
    texts, rows = np.unique(np.array(labels, dtype=object), return_inverse=True)
    if len(texts) > MOST_LABELS:
        return None
    parts = [[name.strip() for name in text.split(";") if name.strip() not in ("", NONE)] for text in texts]
    names = sorted({name for part in parts for name in part}, key=_sort_key)
    if any(map(_is_fraction, names)) or not 0 < len(names) <= MOST_CLASSES:
        return None
    return ClassCounts(tuple(names), _to_array([Counter(part) for part in parts], names)[rows], "chips")


def _from_files(table: ChipTable) -> ClassCounts:
    locations = [join_location(table.root, name) if name else "" for name in table.texts(LABEL)]
    different = list(dict.fromkeys(filter(None, locations)))
    read = track(map_threads(_count_pixels, different), "counting classes", len(different))
    by_location = dict(zip(different, read, strict=True)) | {"": {}}
    rows = [by_location[location] for location in locations]
    names = sorted({name for row in rows for name in row}, key=_sort_key)
    if len(names) > MOST_CLASSES:
        raise DataError(f"{table.name}: labels have {len(names)} different values; for values, use --balance none")
    return ClassCounts(tuple(names), _to_array(rows, names), "pixels")


def _count_pixels(location: str) -> Mapping[str, int]:
    raster = read_raster(location)
    values, counts = np.unique(raster.values[0][raster.valid[0]], return_counts=True)
    if (values != np.round(values)).any():
        raise DataError(f"{location}: has values that are no classes, such as {values[values != np.round(values)][0]}")
    return {str(int(value)): int(count) for value, count in zip(values, counts, strict=True) if value != IGNORED}


def _to_array(rows: Sequence[Mapping[str, int]], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[row.get(name, 0) for name in names] for row in rows], dtype=np.float64).reshape(-1, len(names))


def _sort_key(name: str) -> tuple[bool, float, str]:
    return (False, float(name), name) if name.lstrip("-").isdigit() else (True, 0.0, name)


def _is_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except (ValueError, OverflowError):
        return False
