"""Labels on the pixels of another grid: the most frequent class, the nearest one, or the mean of values."""

import math

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject

from instageo.errors import RasterError
from instageo.raster.grid import Grid, Raster, Window
from instageo.raster.reading import open_raster
from instageo.raster.warp import transform_coordinates

METHODS = {"mode": Resampling.mode, "nearest": Resampling.nearest, "mean": Resampling.average}

NO_CLASS = np.iinfo(np.int32).min
"""Stands for pixels without a label while classes are resampled."""


def check_label_grid(path: str, grid: Grid) -> None:
    """Refuse a label raster whose place on Earth is unknown, or that is rotated.

    Raises:
        RasterError: It has no coordinate reference system or transform, or is rotated.
    """
    if grid.crs is None or grid.transform.is_identity:
        raise RasterError(f"{path}: has no place on Earth; labels need a coordinate reference system and a transform")
    if abs(grid.transform.b) + abs(grid.transform.d) > 1e-9 * abs(grid.transform.a):
        raise RasterError(f"{path}: is rotated; write it again with rows from west to east (gdalwarp)")


def resample_labels(
    path: str, grid: Grid, *, method: str, min_share: float = 0.5
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the labels of a raster on another grid, and where there are any, both of shape (H, W).

    Classes are never averaged: with `mode` a pixel has the most frequent class of the label's pixels in it, or the
    nearest one where the label's pixels are larger. With `mean` it has the mean of the valid values.

    Args:
        path: Raster of one layer.
        grid: Where labels are needed.
        method: `mode`, `nearest` or `mean`.
        min_share: With `mean`, smallest share of a pixel's area that has values.

    Raises:
        RasterError: It has several layers, no place on Earth, or is rotated.
    """
    empty = np.zeros(grid.shape), np.zeros(grid.shape, bool)
    with open_raster(path) as file:
        info = file.info
        if len(info.data_layers) != 1:
            raise RasterError(f"{path}: has {len(info.data_layers)} layers; expected a label of one layer")
        check_label_grid(path, info.grid)
        window = _window_of(info.grid, grid)
        if window is None:
            return empty
        source = file.read(window=window)
    if not source.valid.any():
        return empty
    has_larger_pixels = _pixel_ratio(source.grid, grid) > 1 - 1e-6
    if method == "mean" and not has_larger_pixels:
        share = _warp(source.valid[0].astype(np.float64), source, grid, Resampling.average, None)
        values = _warp(np.where(source.valid[0], source.values[0], np.nan).astype(np.float64), source, grid,
                       Resampling.average, np.nan)  # fmt: skip
        valid = np.isfinite(values) & (np.nan_to_num(share) >= min_share - 1e-9)
        return np.where(valid, values, 0), valid
    resampling = Resampling.nearest if has_larger_pixels or method == "mean" else METHODS[method]
    if source.values.dtype.kind == "f":
        values = _warp(np.where(source.valid[0], source.values[0], np.nan).astype(np.float64), source, grid, resampling,
                       np.nan)  # fmt: skip
        return np.nan_to_num(values), np.isfinite(values)
    stored = np.where(source.valid[0], source.values[0], NO_CLASS).astype(np.int32)
    classes = _warp(stored, source, grid, resampling, NO_CLASS)
    valid = classes != NO_CLASS
    return np.where(valid, classes, 0).astype(np.float64), valid


def _window_of(source: Grid, target: Grid) -> Window | None:
    """Return the rows and columns of a raster that cover another grid, with some margin; None if they are apart."""
    height, width = target.shape
    steps = np.linspace(0, 1, 9)
    edge = [(row * height, column * width) for row in steps for column in steps]
    xs, ys = transform_coordinates(target.crs or "", source.crs or "", *target.to_crs(*zip(*edge, strict=True)))
    finite = np.isfinite(xs) & np.isfinite(ys)
    if not finite.any():
        return None
    rows, columns = source.from_crs(np.array(xs)[finite], np.array(ys)[finite])
    first_row, first_column = max(math.floor(rows.min()) - 2, 0), max(math.floor(columns.min()) - 2, 0)
    end_row, end_column = min(math.ceil(rows.max()) + 2, source.height), min(math.ceil(columns.max()) + 2, source.width)
    if end_row <= first_row or end_column <= first_column:
        return None
    return slice(first_row, end_row), slice(first_column, end_column)


def _pixel_ratio(source: Grid, target: Grid) -> float:
    """Return the side of the source's pixels in pixels of the target, near the target's centre."""
    row, column = target.height / 2, target.width / 2
    xs, ys = transform_coordinates(
        target.crs or "", source.crs or "", *target.to_crs([row, row, row + 1], [column, column + 1, column])
    )
    rows, columns = source.from_crs(np.array(xs), np.array(ys))
    area = abs((columns[1] - columns[0]) * (rows[2] - rows[0]) - (rows[1] - rows[0]) * (columns[2] - columns[0]))
    return 1 / math.sqrt(area) if area > 0 else math.inf


def _warp(
    values: NDArray[np.generic], source: Raster, target: Grid, resampling: Resampling, no_data: float | None
) -> NDArray[np.generic]:
    result = np.full(target.shape, 0 if no_data is None else no_data, values.dtype)
    reproject(
        values,
        result,
        src_transform=Affine(*source.grid.transform[:6]),
        src_crs=CRS.from_wkt(source.grid.crs or ""),
        dst_transform=target.transform,
        dst_crs=CRS.from_wkt(target.crs or ""),
        src_nodata=no_data,
        dst_nodata=no_data,
        resampling=resampling,
        num_threads=1,
    )
    return result
