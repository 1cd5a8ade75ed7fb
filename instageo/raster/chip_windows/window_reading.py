"""Read the pixels of many chips from one file, with few requests."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
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
            placed = [place_window(grid, info.grid, partial=partial) for grid in grids]
        except WindowOutsideError as error:
            raise WindowOutsideError(f"{location}: {error}") from error
        except RasterError as error:
            raise RasterError(f"{location}: {error}") from error
        clipped = {index: part for index, (window, _) in enumerate(placed) if (part := window.clip(info.grid.shape))}
        positions, parts = list(clipped), tuple(clipped.values())
        fill = info.no_data_value or 0
        values = [np.full(grid.shape, fill, dtype=info.dtype) for grid in grids]
        valid = [np.zeros(grid.shape, dtype=bool) for grid in grids]
        for merged in merge_windows(parts, file.block_shape, max_ratio):
            raster = _read(file, merged)
            for member in merged.members:
                index, part = positions[member], parts[member]
                window, is_reversed = placed[index]
                source, target = _relative(part, merged.window), _relative(part, window)
                values[index][target], valid[index][target] = raster.values[0][source], raster.valid[0][source]
                if is_reversed:
                    values[index], valid[index] = values[index][::-1].copy(), valid[index][::-1].copy()
        return FileWindows(
            tuple(values), tuple(valid), info.no_data_value, info.scales[0], info.offsets[0], file.block_shape,
            info.grid, windows_cost(file, parts, max_ratio), info.dtype,
        )  # fmt: skip


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


def _relative(part: PixelWindow, whole: PixelWindow) -> tuple[slice, slice]:
    """Return where a window lies in a larger one."""
    row, column = part.row - whole.row, part.column - whole.column
    return slice(row, row + part.height), slice(column, column + part.width)
