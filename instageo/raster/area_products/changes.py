"""Maps of changes between two maps on one grid."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.files import write_errors
from instageo.raster.area_products.change_colors import change_colors
from instageo.raster.map_files.cog_join import join_pieces
from instageo.raster.map_files.layout import MapLayout
from instageo.raster.map_files.pieces import PieceStore
from instageo.raster.map_products.finished_map import FinishedMap, open_map
from instageo.raster.writing import ClassLegend
from instageo.stores.temporary_folder import temporary_folder

MAX_CLASSES = 15
"""Most classes whose changes a uint8 file can hold, with 255 for no-data."""

PANEL_COLUMNS = 8192
"""Columns that are compared at once, at least: twice as many at most."""

NO_DATA = 255
"""Pixels of changes of classes where one of the maps has no observation."""

CLASSES_TAG, KIND_TAG = "CHANGE_CLASSES", "CHANGE_KIND"
"""Tags of maps of changes: names of the classes that changed, as JSON, and `classes` or `difference`."""


@dataclass(frozen=True)
class ChangeReport:
    """What a map of changes shows.

    Attributes:
        compared_pixels: Pixels that both maps observe.
        changed_pixels: Pixels of these whose class, or value, differs.
        unobserved_pixels: Pixels that one of the maps, or both, do not observe.
    """

    compared_pixels: int
    changed_pixels: int
    unobserved_pixels: int


def compare_maps(before: Path, after: Path, out: Path) -> ChangeReport:
    """Write the changes between two maps on one grid as a Cloud-Optimized GeoTIFF, in bounded memory.

    For K classes, a pixel is `class before * K + class after`, uint8; names of changes are such as `Land → Water`, and
    `Land` where nothing changed. For regression, a pixel is the value after minus the value before, float32. Pixels
    that one of the maps does not observe are no-data.

    Args:
        before: The earlier map.
        after: The later map.
        out: The map of changes.

    Raises:
        RasterError: A map cannot be read, the two do not fit each other, or have more than 15 classes.
        WriteError: The disk refuses a file.
    """
    with open_map(before) as first, open_map(after) as second:
        _check_fit(first, second)
        num_panels = max(first.grid.width // PANEL_COLUMNS, 1)
        if first.has_classes:
            names = _class_names(first, second)
            layout = MapLayout.of_classes(*first.grid.shape, num_panels=num_panels)
            colors = change_colors(len(names), {**second.class_colors, **first.class_colors})
            legend = ClassLegend(_change_names(names), colors)
            tags = {KIND_TAG: "classes", CLASSES_TAG: json.dumps(names, ensure_ascii=False)}
        else:
            names, legend = [], None
            layout = MapLayout.of_values(*first.grid.shape, num_panels=num_panels)
            tags = {KIND_TAG: "difference"}
        tags |= {"CHANGE_BEFORE": Path(before).name, "CHANGE_AFTER": Path(after).name}
        with write_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(out.parent, f".{out.name[:100]}.") as folder:
                store = PieceStore(folder / "pieces", layout)
                report = _write_pieces(first, second, len(names), store)
                join_pieces(store, out, grid=first.grid, tags=tags, band_names=["change"], legend=legend)
        return report


def _check_fit(first: FinishedMap, second: FinishedMap) -> None:
    """Raise a RasterError unless two maps can be compared."""
    pair = f"{first.raster.path} and {second.raster.path}"
    if not first.grid.matches(second.grid):
        raise RasterError(
            f"{pair}: have different grids ({_describe(first)}; {_describe(second)}), but maps that are compared need "
            "the same: map both with the same area and resolution"
        )
    if first.has_classes != second.has_classes:
        raise RasterError(f"{pair}: one holds classes and the other one values; compare maps of one kind")
    if first.class_names and second.class_names and first.class_names != second.class_names:
        raise RasterError(f"{pair}: have different class names; compare maps with the same classes")


def _describe(file: FinishedMap) -> str:
    grid = file.grid
    return f"{grid.height} x {grid.width} pixels from ({grid.transform.c:g}, {grid.transform.f:g})"


def _class_names(first: FinishedMap, second: FinishedMap) -> list[str]:
    """Return the names of the classes; their numbers if the maps have no names.

    Raises:
        RasterError: There are too many.
    """
    names = list(first.class_names or second.class_names)
    if not names:
        highest = max(
            int(rows.values.max(initial=0, where=rows.valid)) for file in (first, second) for rows in file.read_rows()
        )
        names = [str(number) for number in range(highest + 1)]
    if len(names) > MAX_CLASSES:
        raise RasterError(
            f"{first.raster.path}: has {len(names)} classes, but a map of changes holds those between {MAX_CLASSES} at "
            "most; merge classes first"
        )
    return names


def _change_names(names: Sequence[str]) -> list[str]:
    return [
        before if number == other else f"{before} → {after}"
        for number, before in enumerate(names)
        for other, after in enumerate(names)
    ]


def _write_pieces(first: FinishedMap, second: FinishedMap, num_classes: int, store: PieceStore) -> ChangeReport:
    layout, compared, changed = store.layout, 0, 0
    for column in range(layout.num_panels):
        for row in range(layout.num_rows()):
            window = layout.rows(row), layout.columns(column)
            before, after = (file.raster.read([0], window=window) for file in (first, second))
            valid = before.valid[0] & after.valid[0]
            if num_classes:
                for file, part in ((first, before), (second, after)):
                    _check_classes(file, int(part.values[0].max(initial=0, where=valid)), num_classes)
                change, differs = _compare_classes(before.values[0], after.values[0], valid, num_classes)
            else:
                change, differs = _compare_values(before.values[0], after.values[0], valid)
            compared += int(valid.sum())
            changed += int(differs.sum())
            store.write_rows(column, row, change[None])
    return ChangeReport(compared, changed, layout.height * layout.width - compared)


def _check_classes(file: FinishedMap, highest: int, num_classes: int) -> None:
    if highest >= num_classes:
        raise RasterError(
            f"{file.raster.path}: holds class {highest}, but its {num_classes} names end with class {num_classes - 1}; "
            "write the map again with all names"
        )


def _compare_values(
    before: NDArray[np.generic], after: NDArray[np.generic], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return the differences, NaN where one is missing, and where values differ."""
    one, other = (np.where(valid, values, 0).astype(np.float32) for values in (before, after))
    return np.where(valid, other - one, np.float32(math.nan)), valid & (one != other)


def _compare_classes(
    before: NDArray[np.generic], after: NDArray[np.generic], valid: NDArray[np.bool_], num_classes: int
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return the numbers of changes and where classes differ."""
    one, other = (np.where(valid, values, 0).astype(np.uint8) for values in (before, after))
    change = np.where(valid, one * np.uint8(num_classes) + other, np.uint8(NO_DATA))
    return change, valid & (one != other)


def read_change_classes(path: str | Path, tags: Mapping[str, str]) -> list[str] | None:
    """Return the names of the classes whose changes a map holds; None after a regression.

    Args:
        path: The map, for messages.
        tags: Its tags.

    Raises:
        RasterError: It is not a map of changes.
    """
    kind = tags.get(KIND_TAG)
    try:
        names = json.loads(tags.get(CLASSES_TAG, "null"))
    except ValueError:
        names = None
    if kind == "difference":
        return None
    if kind != "classes" or not isinstance(names, list) or not names:
        raise RasterError(f"{path}: is not a map of changes; expected one that compare_maps has written")
    return list(map(str, names))
