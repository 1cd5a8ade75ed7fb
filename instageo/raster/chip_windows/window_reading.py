"""Read the pixels of many chips from one file, with few requests."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock

import numpy as np
from numpy.typing import DTypeLike, NDArray
from rasterio.enums import Interleaving

from instageo.errors import RasterError, WindowOutsideError
from instageo.raster.chip_windows.block_cost import HEADER_BYTES, ReadCost, windows_cost
from instageo.raster.chip_windows.windows import MAX_RATIO, MergedWindow, PixelWindow, merge_windows, place_window
from instageo.raster.grid import Grid, Raster
from instageo.raster.reading import OpenRaster, open_raster
from instageo.wording import counted

WINDOW_OPTIONS = {
    "GDAL_INGESTED_BYTES_AT_OPEN": str(HEADER_BYTES),
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MULTIRANGE": "YES",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2",
    "GDAL_HTTP_MAX_RETRY": "3",
}
"""GDAL options for windows of big remote files: a small first piece, which holds the header, and parallel ranges."""


MAX_BLOCK_BYTES = 1 << 28
"""Most bytes of a decoded block of a file of a catalogue: 11,585 x 11,585 pixels of 16 bits."""

Pixels = tuple[NDArray[np.generic], NDArray[np.bool_]]
"""Stored values and validity of a window, each of shape (H, W)."""


@dataclass(frozen=True)
class FileWindows:
    """Windows that were read from a file.

    Attributes:
        values: Stored values of each window, shape (H, W), in the file's own type.
        valid: Where each has an observation, shape (H, W); False outside the file.
        no_data_value: No-data tag of the file; None without one.
        scale: Scale tag, 1 without one.
        offset: Offset tag, 0 without one.
        block_shape: Rows and columns of a block of the file.
        grid: Grid of the whole file.
        cost: Requests and bytes that this took, counted from the file's table of blocks.
        dtype: Type of its values.
    """

    values: tuple[NDArray[np.generic], ...]
    valid: tuple[NDArray[np.bool_], ...]
    no_data_value: float | None
    scale: float = 1.0
    offset: float = 0.0
    block_shape: tuple[int, int] = (0, 0)
    grid: Grid | None = None
    cost: ReadCost = field(default_factory=ReadCost)
    dtype: str = ""


def read_chip_windows(
    location: str,
    grids: Sequence[Grid],
    *,
    options: Mapping[str, str] | None = None,
    partial: bool = False,
    max_ratio: float = MAX_RATIO,
) -> FileWindows:
    """Read the first layer of a file on the grids of chips, in one opening.

    Rows come in the order of the chip's grid, also where the file is stored south-up.

    Args:
        location: Path or URL.
        grids: Grids of the chips, on pixels of the file.
        options: GDAL options in addition to `WINDOW_OPTIONS`.
        partial: Whether a chip may reach beyond the file; no-data is filled in there.
        max_ratio: See `merge_windows`.

    Raises:
        RasterError: The file cannot be read, or its pixels are not those of a chip.
        WindowOutsideError: A chip reaches beyond the file.
    """
    with open_catalog_file(location, options) as file:
        info = file.info
        try:
            with _planning:
                plan = _plan(tuple(grids), info.grid, file.block_shape, partial, max_ratio)
        except WindowOutsideError as error:
            raise WindowOutsideError(f"{location}: {error}") from error
        except RasterError as error:
            raise RasterError(f"{location}: {error}") from error
        fill = info.no_data_value or 0
        pixels = {index: _blank(grids[index].shape, info.dtype, fill) for index in plan.outside}
        for merged in plan.merged:
            raster = _read(file, merged)
            for member in merged.members:
                index = plan.positions[member]
                pixels[index] = _cut(raster, merged.window, plan.parts[member], *plan.placed[index], fill)
        values, valid = zip(*(pixels[index] for index in range(len(grids))), strict=True) if grids else ((), ())
        return FileWindows(
            values, valid, info.no_data_value, info.scales[0], info.offsets[0], file.block_shape,
            info.grid, windows_cost(file, plan.parts, max_ratio), info.dtype,
        )  # fmt: skip


@dataclass(frozen=True)
class _WindowPlan:
    """Where chips lie in a file, and what is read at once.

    Attributes:
        placed: Window of each chip, and whether its rows are in reverse order.
        outside: Positions of the chips that lie outside the file.
        positions: Positions of the others.
        parts: The part of their windows that lies inside.
        merged: These parts, merged.
    """

    placed: tuple[tuple[PixelWindow, bool], ...]
    outside: tuple[int, ...]
    positions: tuple[int, ...]
    parts: tuple[PixelWindow, ...]
    merged: tuple[MergedWindow, ...]


_planning = Lock()
"""Held while windows are planned, so that threads that read the files of a scene at once wait for one plan."""


@lru_cache(maxsize=64)
def _plan(
    grids: tuple[Grid, ...], file: Grid, block_shape: tuple[int, int], partial: bool, max_ratio: float
) -> _WindowPlan:
    """Return the plan for a file; the last ones are kept, since the files of a scene share their windows.

    Raises:
        RasterError: See `place_window`.
    """
    placed = tuple(place_window(grid, file, partial=partial) for grid in grids)
    clipped = {index: part for index, (window, _) in enumerate(placed) if (part := window.clip(file.shape))}
    outside = tuple(index for index in range(len(placed)) if index not in clipped)
    parts = tuple(clipped.values())
    return _WindowPlan(placed, outside, tuple(clipped), parts, merge_windows(parts, block_shape, max_ratio))


def read_grid(location: str, options: Mapping[str, str] | None = None) -> Grid:
    """Return the grid of a file from its header.

    Raises:
        RasterError: The file cannot be read.
    """
    with open_catalog_file(location, options) as file:
        return file.info.grid


@contextmanager
def open_catalog_file(location: str, options: Mapping[str, str] | None = None) -> Iterator[OpenRaster]:
    """Open a file of a catalogue: a TIFF, or JPEG 2000 if its name says so.

    Other formats, such as VRT under the name of a TIFF, could name further files and addresses. Blocks are decoded
    whole, and a small file may hold huge ones.

    Raises:
        RasterError: The file is missing, of another format, or has huge blocks.
    """
    driver = "JP2OpenJPEG" if location.partition("?")[0].lower().endswith(".jp2") else "GTiff"
    with open_raster(location, {**WINDOW_OPTIONS, **(options or {})}, driver=driver) as file:
        height, width = file.block_shape
        layers = file.source.count if file.source.interleaving == Interleaving.pixel else 1
        size = height * width * layers * np.dtype(file.source.dtypes[0]).itemsize
        if size > MAX_BLOCK_BYTES:
            raise RasterError(
                f"{location}: has blocks of {height} x {width} pixels and {counted(layers, 'layer')}, "
                f"{size / 1e6:.0f} MB; expected at most {MAX_BLOCK_BYTES / 1e6:.0f} MB"
            )
        yield file


def _read(file: OpenRaster, merged: MergedWindow) -> Raster:
    return file.read([0], window=merged.window.slices)


def _cut(
    raster: Raster, merged: PixelWindow, part: PixelWindow, window: PixelWindow, is_reversed: bool, fill: float
) -> Pixels:
    """Return values and validity of a window, shape (H, W) each.

    Args:
        raster: Pixels of a merged window.
        merged: The merged window.
        part: The part of the window that lies inside the file.
        window: The window.
        is_reversed: Whether its rows are wanted in reverse order.
        fill: Value outside the file.
    """
    source = _relative(part, merged)
    if part == window:
        values, valid = raster.values[0][source], raster.valid[0][source]
    else:
        values, valid = _blank((window.height, window.width), raster.values.dtype, fill)
        target = _relative(part, window)
        values[target], valid[target] = raster.values[0][source], raster.valid[0][source]
    order = slice(None, None, -1 if is_reversed else 1)
    return values[order].copy(), valid[order].copy()


def _blank(shape: tuple[int, int], dtype: DTypeLike, fill: float) -> Pixels:
    """Return values and validity of a window without a pixel of the file."""
    return np.full(shape, fill, dtype=dtype), np.zeros(shape, dtype=bool)


def _relative(part: PixelWindow, whole: PixelWindow) -> tuple[slice, slice]:
    """Return where a window lies in a larger one."""
    row, column = part.row - whole.row, part.column - whole.column
    return slice(row, row + part.height), slice(column, column + part.width)
