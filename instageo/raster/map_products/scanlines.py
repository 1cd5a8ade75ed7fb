"""Uncompressed copies of maps with a row per strip: GDAL's scanline algorithms decode other files again and again."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.features import shapes, sieve
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.windows import Window

from instageo.raster.gdal_log import ignore_missing_georeference
from instageo.raster.map_products.finished_map import FinishedMap

_open_raster = ignore_missing_georeference()(rasterio.open)

OPTIONS = {"GDAL_CACHEMAX": 32, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""GDAL options for copies: a small block cache (MB), since each row is needed once or twice."""

ROWS = 128
"""Rows of a copy that are read at once."""

Ring = NDArray[np.float64]
"""Closed ring: columns and rows of its corners, shape (N, 2)."""


@dataclass(frozen=True)
class PixelPolygon:
    """Pixels of one class that are connected by their sides.

    Attributes:
        number: The class.
        rings: The outline, followed by those of holes.
    """

    number: int
    rings: list[Ring]


@dataclass(frozen=True)
class Scanlines:
    """A copy of a map without georeference, and one of its mask.

    Attributes:
        values: GeoTIFF of the classes.
        mask: GeoTIFF with 1 where they count, else 0.
    """

    values: Path
    mask: Path

    def count_corners(self) -> int:
        """Count the corners of the polygons of the map without making them."""
        with _open(self.values, self.mask) as (values, mask):
            above, total = np.full(values.width + 2, -1, dtype=np.int32), 0
            for window in _windows(values.height, values.width):
                classes = values.read(1, window=window).astype(np.int32)
                classes[mask.read(1, window=window) == 0] = -1
                is_last = window.row_off + window.height == values.height
                padded = np.pad(classes, ((0, int(is_last)), (1, 1)), constant_values=-1)
                total += _count_corners(np.vstack([above, padded]))
                above = padded[-1]
            return total

    def sieve(self, min_pixels: int, folder: Path) -> "Scanlines":
        """Return a copy in which patches of fewer pixels have the class of their largest neighbour.

        Only pixels that count are changed, or looked at.
        """
        path, result = folder / "sieved.tif", folder / "sieved.bin"
        with _open(self.values, self.mask) as (values, mask):
            dtype = np.dtype(values.dtypes[0])
            with result.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, values.height * values.width * dtype.itemsize)
            changed = np.memmap(result, dtype, "r+", shape=values.shape)  # rasterio returns arrays alone
            sieve(rasterio.band(values, 1), min(min_pixels, changed.size), out=changed, mask=rasterio.band(mask, 1))
        with _create(path, changed.shape, dtype) as target:
            for window in _windows(*changed.shape):
                target.write(changed[window.row_off : window.row_off + window.height], 1, window=window)
        del changed
        result.unlink()
        return Scanlines(path, self.mask)

    def select(self, classes: frozenset[int], folder: Path) -> "Scanlines":
        """Return a copy in which only some classes count."""
        path = folder / "selected.tif"
        with (
            _open(self.values, self.mask) as (values, mask),
            _create(path, values.shape, np.dtype(np.uint8)) as target,
        ):
            for window in _windows(*values.shape):
                chosen = np.isin(values.read(1, window=window), list(classes)) & (mask.read(1, window=window) > 0)
                target.write(chosen.astype(np.uint8), 1, window=window)
        return Scanlines(self.values, path)

    def trace(self) -> Iterator[PixelPolygon]:
        """Yield the polygons of the map, of pixels connected by their sides, with their holes."""
        with _open(self.values, self.mask) as (values, mask):
            found = shapes(rasterio.band(values, 1), mask=rasterio.band(mask, 1), connectivity=4)
            for geometry, number in found:
                yield PixelPolygon(int(number), [_to_array(ring) for ring in geometry["coordinates"]])


def copy_to_scanlines(file: FinishedMap, folder: Path) -> Scanlines:
    """Copy a map and its mask into a folder: two bytes per pixel, three for uint16.

    Raises:
        OSError: The disk refuses a copy.
        RasterError: The map cannot be read.
    """
    copies = Scanlines(folder / "values.tif", folder / "mask.tif")
    shape, dtype, byte = file.grid.shape, np.dtype(file.info.dtype), np.dtype(np.uint8)
    with _create(copies.values, shape, dtype) as values, _create(copies.mask, shape, byte) as mask:
        for rows in file.read_rows():
            window = Window(0, rows.row, shape[1], len(rows.values))
            values.write(rows.values, 1, window=window)
            mask.write(rows.valid.astype(np.uint8), 1, window=window)
    return copies


def _to_array(ring: Sequence[tuple[float, float]]) -> Ring:
    return np.fromiter(chain.from_iterable(ring), np.float64, 2 * len(ring)).reshape(-1, 2)


def _windows(height: int, width: int) -> Iterator[Window]:
    for row in range(0, height, ROWS):
        yield Window(0, row, width, min(ROWS, height - row))


@contextmanager
def _open(*paths: Path) -> Iterator[list[DatasetReader]]:
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**OPTIONS))
        yield [stack.enter_context(_open_raster(path)) for path in paths]


@contextmanager
def _create(path: Path, shape: tuple[int, int], dtype: np.dtype[np.generic]) -> Iterator[DatasetWriter]:
    """Create a copy; GDAL does not report every error of the disk, but the size of the file shows it."""
    height, width = shape
    num_bytes = height * width * dtype.itemsize
    if shutil.disk_usage(path.parent).free < num_bytes:
        raise OSError(errno.ENOSPC, f"{num_bytes / 1e6:.0f} MB are needed")
    profile = {"driver": "GTiff", "count": 1, "height": height, "width": width, "dtype": dtype.name, "blockysize": 1}
    try:
        with _open_raster(path, "w", BIGTIFF="IF_SAFER", **profile) as target:
            yield target
    except RasterioError as error:
        raise OSError(f"GDAL refuses a temporary copy: {error}") from error
    if path.stat().st_size < num_bytes:
        raise OSError(f"{path.stat().st_size} of {num_bytes} bytes of a temporary copy were written")


def _count_corners(classes: NDArray[np.int32]) -> int:
    """Count the corners of polygons at the points between rows and columns of classes; -1 is no class.

    A pixel has a corner where both pixels at its sides differ from it, or both equal it and the one across does not.
    """
    across, down = classes[:, 1:] == classes[:, :-1], classes[1:] == classes[:-1]
    above, below, left, right = across[:-1], across[1:], down[:, :-1], down[:, 1:]
    falling, rising = classes[1:, 1:] == classes[:-1, :-1], classes[1:, :-1] == classes[:-1, 1:]
    total = 0
    for pixels, side, over, diagonal in (
        (classes[:-1, :-1], above, left, falling),
        (classes[:-1, 1:], above, right, rising),
        (classes[1:, :-1], below, left, rising),
        (classes[1:, 1:], below, right, falling),
    ):
        total += int(np.count_nonzero((side == over) & ~(side & diagonal) & (pixels >= 0)))
    return total
