"""Facts of the label of a chip: a raster, or a value of the table."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from instageo.data.chip_facts.facts import Class, ImageView, LabelFacts
from instageo.data.chip_facts.fingerprints import hash_pixels
from instageo.data.chip_facts.label_registration import label_shift
from instageo.data.chip_facts.layout import CLASS_IGNORE, VALUE_IGNORE
from instageo.raster.grid import Grid, Raster
from instageo.raster.reading import open_raster
from instageo.table import NONE

MOST_CLASSES = 256
"""Different whole numbers in a label up to which they are classes."""

FEW_CLASSES = 8
"""Classes that are counted one by one, which is faster than counting all at once."""


def read_label(path: str) -> Raster:
    """Read the first layer of a label.

    Raises:
        RasterError: It cannot be read.
    """
    with open_raster(path) as file:
        return file.read([0])


def label_mask(label: Raster, ignore: tuple[float, ...] | None) -> NDArray[np.bool_]:
    """Return where a label (1, H, W) has values that are not ignored, (H, W)."""
    values = label.values[0]
    valid: NDArray[np.bool_] = label.valid[0]
    if ignore is None:
        is_class = values.dtype.kind in "iu" or _is_whole(values[valid])
        ignore = (CLASS_IGNORE, VALUE_IGNORE) if is_class else (VALUE_IGNORE,)
    for value in ignore:
        is_whole = values.dtype.kind in "iu" and float(value).is_integer()
        valid = np.logical_and(valid, values != (int(value) if is_whole else value))  # a float would convert all values
    return valid


def raster_label_facts(
    label: Raster, ignore: tuple[float, ...] | None, grid: Grid | None, view: ImageView | None
) -> LabelFacts:
    """Return the facts of a label raster.

    Args:
        label: Its first layer.
        ignore: Values that mean no label; None for the usual ones.
        grid: Grid of the chip; None if it cannot be read.
        view: The chip's image; None if it cannot be read.
    """
    values, valid = label.values[0], label_mask(label, ignore)
    mismatch = "" if grid is None or label.grid == grid else describe_mismatch(label.grid, grid)
    counts, shift, labelled = count_classes(values.reshape(-1) if valid.all() else values[valid]), None, valid
    if view is not None and view.observed.shape == valid.shape:
        labelled = valid & view.observed
        if counts is not None and len(counts) > 1:
            shift = label_shift(view.mean_image, values, labelled)
    return LabelFacts(int(np.count_nonzero(labelled)), counts, hash_pixels(values, valid) or b"", mismatch, shift)


def value_label_facts(text: str, num_pixels: int) -> LabelFacts:
    """Return the facts of a label that stands in the table; several classes are separated by `;`.

    Args:
        text: The label.
        num_pixels: Observed pixels of the chip, all of which it labels.
    """
    parts = [] if text == NONE else [part.strip() for part in text.split(";") if part.strip()]
    classes = [_class_of(part) for part in parts]
    counts = None if None in classes else {value: 1 for value in classes if value is not None}
    return LabelFacts(num_pixels, counts, text.encode())


def _class_of(text: str) -> Class | None:
    """Return the number or the name of a class; None for a number that is not whole."""
    try:
        value = float(text)
    except ValueError:
        return text
    return value if value.is_integer() else None


def describe_mismatch(label: Grid, chip: Grid) -> str:
    """Return how the grid of a label differs from that of its chip; empty if it matches."""
    if label.matches(chip):
        return ""
    if label.shape != chip.shape:
        return f"the label has {label.height} x {label.width} pixels, the chip {chip.height} x {chip.width}"
    if label.crs != chip.crs:
        return "the label has another coordinate reference system, or another place in it, than the chip"
    rows, columns = label.from_crs(np.array([chip.transform.c]), np.array([chip.transform.f]))
    return f"the label lies {-rows[0]:.1f} rows and {-columns[0]:.1f} columns from the chip, or has other pixels"


def count_classes(values: NDArray[np.generic]) -> dict[Class, int] | None:
    """Return the pixels of each class among the values of a label; None if they are no classes."""
    if not len(values):
        return {}
    low, high = values.min().item(), values.max().item()
    if values.dtype.kind in "iu" and high - low < FEW_CLASSES:
        few = {float(value): int(np.count_nonzero(values == value)) for value in range(low, high + 1)}
        class_pixels: dict[Class, int] = {value: count for value, count in few.items() if count}
    elif values.dtype.kind in "iu" and low >= 0 and high < 4 * MOST_CLASSES:
        counts = np.bincount(values.astype(np.intp))
        classes = np.flatnonzero(counts)
        class_pixels = {float(value): int(counts[value]) for value in classes}
    elif values.dtype.kind in "iu" or _is_whole(values):
        class_pixels = {
            float(value): int(count) for value, count in zip(*np.unique(values, return_counts=True), strict=True)
        }
    else:
        return None
    return class_pixels if len(class_pixels) <= MOST_CLASSES else None


def add_counts(labels: list[LabelFacts]) -> tuple[Counter[Class], Counter[Class]]:
    """Return the pixels, and the chips, of each class."""
    pixels: Counter[Class] = Counter()
    chips: Counter[Class] = Counter()
    for label in labels:
        pixels.update(label.counts or {})
        chips.update((label.counts or {}).keys())
    return pixels, chips


def class_text(value: Class) -> str:
    """Return a class as a text."""
    return value if isinstance(value, str) else f"{value:g}"


def _is_whole(values: NDArray[np.generic]) -> bool:
    return bool(values.dtype.kind in "iu" or (len(values) and np.all(values == np.floor(values.astype(np.float64)))))
