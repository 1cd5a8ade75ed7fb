"""Rasters with their validity mask and grid; the only module that reads and writes files with rasterio."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.session import DummySession

from instageo.errors import RasterError
from instageo.gdal_access import explain, gdal_options, reason_of
from instageo.locations import gdal_path, is_remote
from instageo.raster.grid import Grid, Raster, RasterInfo, Window
from instageo.raster.writing import is_representable

LOCAL_OPTIONS = {
    "GDAL_CACHEMAX": 256,
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GTIFF_VIRTUAL_MEM_IO": "YES",
}
"""How GDAL reads local files. Any memory for decoded blocks (MB) that is set saves a third of the time of plain files:
with the default it is given back to the system after each file and touched anew. Side-car files are asked for by name
rather than by listing the folder, which takes long among thousands of chips. GeoTIFFs without compression are mapped
into memory, which takes a third off reading layers that lie pixel by pixel; others are read as ever."""


@contextmanager
def _open(path: str | Path) -> Iterator[DatasetReader]:
    with _open_remote(str(path)) if is_remote(path) else _open_local(path) as source:
        yield source


@contextmanager
def _open_local(path: str | Path) -> Iterator[DatasetReader]:
    if not Path(path).exists():
        raise RasterError(f"{path}: no such file; check root_dir and the table's paths")
    try:
        with rasterio.Env(**LOCAL_OPTIONS), rasterio.open(path) as source:
            yield source
    except RasterioIOError as error:
        raise RasterError(_no_raster(path, error.__cause__ or error)) from error


@contextmanager
def _open_remote(location: str) -> Iterator[DatasetReader]:
    """Open a URL through GDAL's virtual file systems; access comes from GDAL's own environment variables."""
    try:
        path = gdal_path(location)
    except ValueError as error:
        raise RasterError(f"{location}: {error}") from error
    try:
        with rasterio.Env(session=DummySession(), **gdal_options()), rasterio.open(path) as source:
            yield source
    except RasterioIOError as error:
        cause = error.__cause__ or error
        raise RasterError(explain(location, cause) or _no_raster(location, cause)) from error


def _no_raster(path: str | Path, cause: BaseException) -> str:
    return f"{path}: cannot be read as a raster ({reason_of(str(path), cause)}); expected a GeoTIFF"


def _grid(source: DatasetReader) -> Grid:
    crs = source.crs.to_wkt() if source.crs else None
    return Grid(crs, source.transform, source.height, source.width)


def _tags(source: DatasetReader) -> dict[str, str]:
    return {key.upper(): str(value) for domain in ("IMAGERY", None) for key, value in source.tags(ns=domain).items()}


@dataclass(frozen=True)
class OpenRaster:
    """A raster file while it is open; get one from `open_raster`."""

    path: str | Path
    source: DatasetReader

    @property
    def info(self) -> RasterInfo:
        """What it says of itself."""
        source = self.source
        return RasterInfo(source.count, _grid(source), source.dtypes[0], source.nodata, _tags(source))

    def read(
        self,
        layers: Sequence[int] | None = None,
        no_data_value: float | None = None,
        window: Window | None = None,
    ) -> Raster:
        """Read layers; see `read_raster`."""
        source = self.source
        wanted = list(range(source.count)) if layers is None else list(layers)
        if wanted and (max(wanted) >= source.count or min(wanted) < 0):
            raise RasterError(
                f"{self.path}: has {source.count} layers, but layer {max(wanted)} (counted from 0) was asked for; "
                "correct dataloader.bands, dataloader.sensor or dataloader.temporal_dim"
            )
        values = source.read([position + 1 for position in wanted], window=window and _ends(window))
        valid = _validity(values, [source.nodatavals[position] for position in wanted], no_data_value)
        names = tuple(source.descriptions[position] or "" for position in wanted)
        grid = _grid(source)
        part = grid if window is None else grid.window(window[0].start, window[1].start, *values.shape[1:])
        return Raster(values, valid, part, names, _tags(source))


@contextmanager
def open_raster(path: str | Path) -> Iterator[OpenRaster]:
    """Open a raster, to look at it before reading.

    Raises:
        RasterError: The file is missing or not a raster.
    """
    with _open(path) as source:
        yield OpenRaster(path, source)


def read_info(path: str | Path) -> RasterInfo:
    """Layer count, grid, type and no-data tag of a raster.

    Raises:
        RasterError: The file is missing or not a raster.
    """
    with open_raster(path) as file:
        return file.info


def read_raster(
    path: str | Path,
    layers: Sequence[int] | None = None,
    no_data_value: float | None = None,
    window: Window | None = None,
) -> Raster:
    """Read layers and decide once which pixels are observations.

    Args:
        path: Any raster that GDAL opens.
        layers: 0-based positions in the file, in the wanted order; None for all.
        no_data_value: Value that means "no observation" besides the file's own tag and NaN.
        window: Rows and columns to read; None for all. Only the blocks of the file that they touch are decoded.

    Raises:
        RasterError: The file is missing, not a raster, or has too few layers.
    """
    with open_raster(path) as file:
        return file.read(layers, no_data_value, window)


def _ends(window: Window) -> tuple[tuple[int, int], tuple[int, int]]:
    rows, columns = window
    return (rows.start, rows.stop), (columns.start, columns.stop)


def _validity(
    values: NDArray[np.generic], tags: Sequence[float | None], no_data_value: float | None
) -> NDArray[np.bool_]:
    valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=bool)
    for tag in set(tags):
        layers: slice | list[int] = slice(None)
        if len(set(tags)) > 1:
            layers = [layer for layer, own in enumerate(tags) if own == tag]
        for mark in {tag, no_data_value}:
            if mark is not None and math.isfinite(mark) and is_representable(mark, values.dtype):
                valid[layers] &= values[layers] != values.dtype.type(mark)
    return valid
