"""Labels of a raster on the pixels of a chip: classes by majority or the nearest pixel, values by mean or nearest.

Classes are never interpolated. A pixel of the chip stands for the pixels of the label raster whose centres lie in it;
where the label raster is coarser and there are none, it takes the label pixel that contains its centre.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.errors import RasterError
from instageo.raster.grid import Grid, RasterInfo
from instageo.raster.reading import OpenRaster, open_raster
from instageo.raster.warp import same_crs, transform_coordinates

METHODS = ("mode", "nearest", "mean")

MOST_PIXELS = 4_000_000
"""Pixels of the label raster that are read at a time."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class WarpRules:
    """How labels are brought onto chips.

    Attributes:
        method: `mode` (the most frequent class, the smallest of equally frequent ones), `nearest`, or `mean`.
        min_share: For mode and mean, the smallest share of valid label pixels in a pixel of the chip, 0 to 1.
        no_data_value: Value that means no label, in addition to what the file itself excludes.
        class_map: Class of each value of the file, applied before the rest; values without one, and those of class -1,
            mean no label. None to keep the values.
    """

    method: str = "mode"
    min_share: float = 0.5
    no_data_value: float | None = None
    class_map: Mapping[int, int] | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method={self.method} is unknown; choose one of {', '.join(METHODS)}")


def check_label_raster(path: str | Path, info: RasterInfo) -> None:
    """Raise a RasterError if a raster of labels has several layers, no reference system, or is rotated."""
    affine = info.grid.transform
    if len(info.data_layers) != 1:
        raise RasterError(f"{path}: has {len(info.data_layers)} layers; label rasters have one")
    if info.grid.crs is None or affine.is_identity:
        raise RasterError(
            f"{path}: has no coordinate reference system or no transform, so its place is unknown; add them with "
            "gdal_edit -a_srs EPSG:… -a_ullr …"
        )
    if affine.b or affine.d:
        raise RasterError(f"{path}: is rotated; warp it to a north-up grid first: gdalwarp {path} north_up.tif")


def warp_labels(path: str | Path, grid: Grid, rules: WarpRules) -> tuple[Floats, Mask]:
    """Bring the labels of a raster onto the pixels of a chip.

    Args:
        path: Raster of one layer, in any reference system, north-up or south-up.
        grid: Pixels of the chip.
        rules: How.

    Returns:
        Values and where they are valid, both of shape (H, W); values are 0 elsewhere.

    Raises:
        RasterError: The raster is unreadable, rotated, without reference system, or has several layers.
    """
    values, valid = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    with open_raster(path) as file:
        check_label_raster(path, file.info)
        for rows in _strips(grid, file.info.grid):
            part = grid.window(rows.start, 0, rows.stop - rows.start, grid.width)
            values[rows], valid[rows] = _warp_strip(file, part, rules)
    return np.where(valid, values, 0.0), valid


def _warp_strip(file: OpenRaster, grid: Grid, rules: WarpRules) -> tuple[Floats, Mask]:
    lattice = _cover(grid, file.info.grid)
    if lattice is None:
        return np.zeros(grid.shape), np.zeros(grid.shape, bool)
    labels, labelled = _read(file, lattice, rules)
    nearest, nearest_valid = _take_nearest(grid, lattice, labels, labelled)
    if rules.method == "nearest":
        return nearest, nearest_valid
    pixels = _pixels_of_centres(grid, lattice)
    inside = pixels >= 0
    total = np.bincount(pixels[inside], minlength=grid.height * grid.width)
    used = inside & labelled.ravel()
    count = np.bincount(pixels[used], minlength=len(total))
    enough = (count > 0) & (count >= rules.min_share * total)
    summarize = _mode if rules.method == "mode" else _mean
    values = summarize(pixels[used], labels.ravel()[used], len(total))
    is_coarse = total == 0
    values = np.where(is_coarse, nearest.ravel(), values)
    return values.reshape(grid.shape), np.where(is_coarse, nearest_valid.ravel(), enough).reshape(grid.shape)


def _mode(pixels: NDArray[np.intp], labels: Floats, size: int) -> Floats:
    """Return the most frequent label of each pixel, the smallest of equally frequent ones; 0 without labels."""
    classes, codes = np.unique(labels, return_inverse=True)
    keys, counts = np.unique(pixels * len(classes) + codes, return_counts=True)
    owners, codes = np.divmod(keys, max(len(classes), 1))
    order = np.lexsort((codes, -counts, owners))  # the best class of each pixel comes first
    first = np.unique(owners[order], return_index=True)
    result = np.zeros(size)
    result[first[0]] = classes[codes[order][first[1]]]
    return result


def _mean(pixels: NDArray[np.intp], labels: Floats, size: int) -> Floats:
    """Return the mean label of each pixel; 0 without labels."""
    counts = np.bincount(pixels, minlength=size)
    sums = np.bincount(pixels, labels, minlength=size)
    return np.asarray(sums / np.maximum(counts, 1), dtype=np.float64)


def _strips(grid: Grid, labels: Grid) -> Iterator[slice]:
    """Yield rows of the chip in strips for which few label pixels are read at a time."""
    lattice = _cover(grid, labels)
    pixels = 0 if lattice is None else lattice.height * lattice.width
    step = max(grid.height * MOST_PIXELS // max(pixels, MOST_PIXELS), 1)
    for start in range(0, grid.height, step):
        yield slice(start, min(start + step, grid.height))


@dataclass(frozen=True)
class Lattice:
    """Pixels of a label raster around a chip, also beyond its border.

    Attributes:
        labels: Grid of the label raster.
        row: First row in the label raster; may be negative.
        column: First column; may be negative.
        height: Rows.
        width: Columns.
    """

    labels: Grid
    row: int
    column: int
    height: int
    width: int


def _cover(grid: Grid, labels: Grid) -> Lattice | None:
    """Return the label pixels that cover a chip and a margin of one pixel; None if no label is near it."""
    along = np.linspace(0, 1, 21)
    edge = [(row, column) for row in along for column in along if {row, column} & {0.0, 1.0}]
    rows, columns = _positions(
        grid, labels, np.array([row * grid.height for row, _ in edge]),
        np.array([column * grid.width for _, column in edge]),
    )  # fmt: skip
    finite = np.isfinite(rows) & np.isfinite(columns)
    if not finite.all():
        return None
    top, left = int(np.floor(rows.min())) - 1, int(np.floor(columns.min())) - 1
    bottom, right = int(np.ceil(rows.max())) + 1, int(np.ceil(columns.max())) + 1
    if bottom <= 0 or right <= 0 or top >= labels.height or left >= labels.width:
        return None
    return Lattice(labels, top, left, bottom - top, right - left)


def _read(file: OpenRaster, lattice: Lattice, rules: WarpRules) -> tuple[Floats, Mask]:
    """Return labels and where they are valid on a lattice; beyond the border of the raster nothing is valid."""
    labels, labelled = np.zeros((lattice.height, lattice.width)), np.zeros((lattice.height, lattice.width), bool)
    rows = slice(max(lattice.row, 0), min(lattice.row + lattice.height, lattice.labels.height))
    columns = slice(max(lattice.column, 0), min(lattice.column + lattice.width, lattice.labels.width))
    raster = file.read(no_data_value=rules.no_data_value, window=(rows, columns))
    inner = (
        slice(rows.start - lattice.row, rows.stop - lattice.row),
        slice(columns.start - lattice.column, columns.stop - lattice.column),
    )
    labels[inner], labelled[inner] = np.where(raster.valid[0], raster.values[0], 0), raster.valid[0]
    return (labels, labelled) if rules.class_map is None else _classify(labels, labelled, rules.class_map)


def _classify(labels: Floats, labelled: Mask, class_map: Mapping[int, int]) -> tuple[Floats, Mask]:
    """Return the classes of labels, and where they have one."""
    codes, positions = np.unique(labels, return_inverse=True)
    classes = np.array([class_map.get(int(code), -1) if code.is_integer() else -1 for code in codes.tolist()])
    result = classes[positions].reshape(labels.shape)
    return np.where(result >= 0, result, 0).astype(np.float64), labelled & (result >= 0)


def _take_nearest(grid: Grid, lattice: Lattice, labels: Floats, labelled: Mask) -> tuple[Floats, Mask]:
    """Return the label pixel that contains the centre of each pixel of the chip."""
    rows, columns = np.meshgrid(np.arange(grid.height) + 0.5, np.arange(grid.width) + 0.5, indexing="ij")
    label_rows, label_columns = _positions(grid, lattice.labels, rows.ravel(), columns.ravel())
    index = [
        np.floor(np.nan_to_num(values, posinf=-1e9, neginf=-1e9)).astype(np.intp) - first
        for values, first in ((label_rows, lattice.row), (label_columns, lattice.column))
    ]
    inside = (index[0] >= 0) & (index[0] < lattice.height) & (index[1] >= 0) & (index[1] < lattice.width)
    index = [np.where(inside, values, 0) for values in index]
    valid = inside & labelled[index[0], index[1]]
    return labels[index[0], index[1]].reshape(grid.shape), valid.reshape(grid.shape)


def _pixels_of_centres(grid: Grid, lattice: Lattice) -> NDArray[np.intp]:
    """Return, for each pixel of a lattice, the flat index of the chip's pixel that contains its centre, or -1."""
    rows, columns = np.meshgrid(
        np.arange(lattice.height) + lattice.row + 0.5, np.arange(lattice.width) + lattice.column + 0.5, indexing="ij"
    )
    chip_rows, chip_columns = _positions(lattice.labels, grid, rows.ravel(), columns.ravel())
    inside = (chip_rows >= 0) & (chip_rows < grid.height) & (chip_columns >= 0) & (chip_columns < grid.width)
    result = np.full(len(inside), -1, np.intp)
    result[inside] = np.floor(chip_rows[inside]).astype(np.intp) * grid.width
    result[inside] += np.floor(chip_columns[inside]).astype(np.intp)
    return result


def _positions(source: Grid, target: Grid, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Return rows and columns in the target grid of positions in the source grid, all as fractions.

    Positions within a millionth of a pixel of an edge lie on it, so that grids of equal edges match exactly.
    """
    a, b, c, d, e, f = source.transform[:6]
    xs, ys = a * columns + b * rows + c, d * columns + e * rows + f
    if not same_crs(source.crs or "", target.crs or ""):
        moved = transform_coordinates(source.crs or "", target.crs or "", xs.tolist(), ys.tolist())
        xs, ys = np.array(moved[0]), np.array(moved[1])
    value = target.from_crs(xs, ys)
    whole = [np.round(values) for values in value]
    with np.errstate(invalid="ignore"):
        rounded = [np.where(abs(values - near) < 1e-6, near, values) for values, near in zip(value, whole, strict=True)]
    return rounded[0], rounded[1]
