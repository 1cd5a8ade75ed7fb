"""Read rasters with their validity mask and grid, from local files and from stores."""

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from threading import current_thread, main_thread

import numpy as np
import rasterio
from affine import Affine
from rasterio._env import get_gdal_config  # no public function sees what the main thread has set for all
from rasterio._err import CPLE_BaseError
from rasterio.env import getenv, hasenv, setenv
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.session import DummySession

from instageo.errors import PixelTypeError, RasterError
from instageo.gdal_access import explain_failure, gdal_options, summarize_error
from instageo.locations import gdal_path, is_remote
from instageo.raster.grid import Grid, Raster, RasterInfo, Window, is_position
from instageo.raster.ground_control import read_control_points
from instageo.raster.validity import FileMasks, stored_value, validity_mask
from instageo.wording import counted

log = logging.getLogger(__name__)

READ_ERRORS = (RasterioIOError, CPLE_BaseError, UnicodeDecodeError)
"""Errors of files that cannot be read: of rasterio, GDAL's own, which calls for metadata let through, and of texts."""

READING_VERSION = 3
"""Increased when the same file would be read otherwise, so that cached chips and finished maps are made again."""

LOCAL_OPTIONS = {
    "GDAL_CACHEMAX": 256,
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GTIFF_VIRTUAL_MEM_IO": "YES",
}
"""GDAL options for local files.

- A fixed size of the block cache (MB), whatever it is, saves a third of the time for uncompressed files: with the
  default the cache is returned to the system after each file and allocated again.
- Side-car files are opened by name instead of listing the folder, which is slow among thousands of chips.
- Uncompressed GeoTIFFs are mapped into memory, which saves a third of the time when layers are interleaved by pixel.
"""


SRS_SOURCE = "GTIFF_SRS_SOURCE"
"""GDAL's option that says what it makes the reference system of a GeoTIFF of.

By default GDAL compares GeoKeys with the EPSG code, which takes half of the time that opening a file takes. Made of
GeoKeys alone, projected systems are the same as long as they have an EPSG code in the end. Others, such as geographic
ones, lose theirs, so that their files are opened again without the option.
"""

_EPSG_CODE = re.compile(r'AUTHORITY\["EPSG","\d+"\]\]\Z')


_geokeys_first: ContextVar[bool] = ContextVar("GeoKeys first", default=True)
"""Whether the next local file of this thread is opened by GeoKeys alone at first, as was right for its last one: files
that are read together mostly share their system."""


@dataclass(frozen=True)
class OpenRaster:
    """A raster file while it is open; `open_raster` returns one."""

    path: str | Path
    source: DatasetReader

    @cached_property
    def info(self) -> RasterInfo:
        """Metadata of the file."""
        source, masks = self.source, self._masks
        return RasterInfo(
            source.count,
            _grid(source),
            source.dtypes[0],
            _no_data_value(source),
            _tags(source),
            masks.alpha_layer,
            masks.kind(source),
            tuple(name or "" for name in source.descriptions),
            source.scales,
            source.offsets,
        )

    @property
    def block_shape(self) -> tuple[int, int]:
        """Rows and columns of the blocks of the first layer."""
        height, width = self.source.block_shapes[0]
        return int(height), int(width)

    @cached_property
    def _masks(self) -> FileMasks:
        return FileMasks.of(self.source)

    def read(
        self,
        layers: Sequence[int] | None = None,
        no_data_value: float | None = None,
        window: Window | None = None,
    ) -> Raster:
        """Read layers; see `read_raster`."""
        source, masks, info = self.source, self._masks, self.info
        layers = info.data_layers if layers is None else list(layers)
        if layers and (max(layers) >= source.count or min(layers) < 0):
            raise RasterError(
                f"{self.path}: has {counted(source.count, 'layer')}, but layer {max(layers)} (counted from 0) was "
                "requested; correct dataloader.bands, dataloader.sensor or dataloader.temporal_dim"
            )
        ends, grid = None, info.grid
        if window is not None:
            rows, columns = window
            ends = (rows.start, rows.stop), (columns.start, columns.stop)
            grid = grid.window(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        values = source.read([layer + 1 for layer in layers], window=ends)
        mask = masks.read(self.path, source, layers, ends)
        valid = validity_mask(values, masks.tags(source, layers), no_data_value, mask)
        names = tuple(info.descriptions[layer] for layer in layers)
        return Raster(values, valid, grid, names, info.tags)


@contextmanager
def open_raster(
    path: str | Path,
    options: Mapping[str, str | int] | None = None,
    local_options: Mapping[str, str | int] | None = None,
    driver: str | None = None,
) -> Iterator[OpenRaster]:
    """Open a raster, to inspect its metadata before reading pixels.

    Args:
        path: Path or URL.
        options: GDAL options for a remote file, in place of those of the program; what the environment sets counts
            only for options that are not among them.
        local_options: GDAL options for a local file, in place of those of the program.
        driver: Name of the only driver of GDAL that may open it; None for all.

    Raises:
        RasterError: The file is missing, not a raster, or has complex values.
    """
    with (
        _open_remote(str(path), options or {}, driver)
        if is_remote(path)
        else _open_local(path, local_options or {}, driver) as source
    ):
        check_real(source, str(path))
        yield OpenRaster(path, source)


def check_real(source: DatasetReader, name: str) -> None:
    """Raise a PixelTypeError if an open file has complex values; `name` is the file in the message."""
    complex_types = [dtype for dtype in source.dtypes if dtype.startswith("complex")]
    if complex_types:
        raise PixelTypeError(
            f"{name}: has complex values ({complex_types[0]}), but pixels need to be real numbers; write what is meant "
            "as real layers, such as amplitude and phase, or real and imaginary part"
        )


def read_info(path: str | Path) -> RasterInfo:
    """Return layer count, grid, type, no-data tag and masks of a raster.

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
    """Read layers and determine which pixels are observations.

    Args:
        path: Any raster that GDAL opens.
        layers: 0-based positions in the file, in the order of the result; None for all but an alpha layer.
        no_data_value: Value that means "no observation", in addition to the file's no-data tags, its masks and NaN.
        window: Rows and columns to read; None for all. Only the blocks of the file that overlap it are decoded.

    Raises:
        RasterError: The file is missing, not a raster, or has too few layers.
    """
    with open_raster(path) as file:
        return file.read(layers, no_data_value, window)


@contextmanager
def _open_local(path: str | Path, options: Mapping[str, str | int], driver: str | None) -> Iterator[DatasetReader]:
    advice = "check the path, root_dir and the table"
    try:
        is_there = Path(path).exists()
    except OSError as error:  # its name is too long, or the folder may not be read
        raise RasterError(f"{path}: cannot be opened ({error.strerror}); {advice}") from error
    if not is_there:
        raise RasterError(f"{path}: no such file; {advice}")
    with read_errors(path), _environment(options), _open_source(path, driver) as source:
        yield source


def local_environment() -> AbstractContextManager[object]:
    """Return an environment of GDAL around the reading of many local files, which then share it.

    Opening them takes a fifth less time: at the end of each environment, rasterio makes GDAL forget the reference
    systems that it has looked up.
    """
    return _environment({})


def _environment(options: Mapping[str, str | int]) -> AbstractContextManager[object]:
    """Return an environment of GDAL for a local file, an empty one where the options are set already."""
    settings = {**LOCAL_OPTIONS, **options}
    if hasenv() and settings.items() <= getenv().items():
        return nullcontext()
    return rasterio.Env(**settings)


def _open_source(path: str | Path, driver: str | None) -> DatasetReader:
    """Open a local file; see `SRS_SOURCE`. Options of the main thread would hold for all threads."""
    # rasterio.open would make a second environment for the file, a fifth of the time that opening takes
    open_file = partial(DatasetReader, path, driver=driver, sharing=False)
    if _geokeys_first.get() and current_thread() is not main_thread() and not get_gdal_config(SRS_SOURCE):
        setenv(**{SRS_SOURCE: "GEOKEYS"})
        try:
            source = open_file()
        finally:
            setenv(**{SRS_SOURCE: ""})
        if _is_projected(source):
            return source
        source.close()
    source = open_file()
    _geokeys_first.set(_is_projected(source))
    return source


def _is_projected(source: DatasetReader) -> bool:
    """Return whether the reference system of a file is a projected one with an EPSG code."""
    crs = source.crs
    return (
        crs is not None and crs.wkt.startswith("PROJCS[") and _EPSG_CODE.search(crs.wkt, len(crs.wkt) - 40) is not None
    )


@contextmanager
def _open_remote(location: str, options: Mapping[str, str | int], driver: str | None) -> Iterator[DatasetReader]:
    """Open a URL through GDAL's virtual file systems; credentials come from GDAL's own environment variables."""
    _log_side_cars()
    try:
        path = gdal_path(location)
    except ValueError as error:
        raise RasterError(f"{location}: {error}") from error
    environment = rasterio.Env(session=DummySession(), **{**gdal_options(), **options})
    with read_errors(location), environment, DatasetReader(path, driver=driver, sharing=False) as source:
        yield source


@contextmanager
def read_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of GDAL in this block, which reads a file or URL, into a RasterError that names it."""
    try:
        yield
    except READ_ERRORS as error:
        cause = error.__cause__ or error
        explained = explain_failure(str(path), cause) if is_remote(path) else None
        raise RasterError(explained or _unreadable(path, cause)) from error


def _unreadable(path: str | Path, cause: BaseException) -> str:
    if isinstance(cause, UnicodeDecodeError):
        return f"{path}: cannot be read, because {not_utf8(cause)}"
    return f"{path}: cannot be read as a raster ({summarize_error(str(path), cause)}); expected a GeoTIFF"


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return the end of a sentence about a text in a file."""
    text = bytes(error.object)[max(error.start - 20, 0) : error.end + 20].decode(errors="replace")
    return f"a band's description or its reference system is not UTF-8 text ('{text}'); write it again in UTF-8"


@cache
def _log_side_cars() -> None:
    """Log, once per process, that masks and tags in side-car files of remote rasters do not count."""
    if gdal_options().get("GDAL_DISABLE_READDIR_ON_OPEN") == "EMPTY_DIR":
        log.info(
            "side-car files (.msk, .aux.xml) of remote rasters are not read; docs/reading.md says how to have them read"
        )


def _no_data_value(source: DatasetReader) -> float | None:
    """Return the no-data tag of the first layer as its type stores it, None if no pixel can have it."""
    tag = source.nodata
    return tag if tag is None or math.isnan(tag) else stored_value(tag, np.dtype(source.dtypes[0]))


def _grid(source: DatasetReader) -> Grid:
    crs = source.crs.wkt if source.crs else None
    control_points = read_control_points(source)
    transform = source.transform if is_position(source.transform) else Affine.identity()
    if control_points is not None and not transform.is_identity:
        control_points = None
    return Grid(crs, transform, source.height, source.width, control_points, source.rpcs)


def _tags(source: DatasetReader) -> dict[str, str]:
    return {key.upper(): str(value) for domain in ("IMAGERY", None) for key, value in source.tags(ns=domain).items()}
