"""Rasters with their validity mask and grid; the only module that reads and writes files with rasterio."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.session import DummySession
from rasterio.warp import transform as transform_points

from instageo.errors import RasterError
from instageo.locations import gdal_path, is_remote
from instageo.remote import explain, gdal_options, reason_of

BLOCK = 256  # side of a GeoTIFF tile, pixels

LOCAL_OPTIONS = {
    "GDAL_CACHEMAX": 256,
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GTIFF_VIRTUAL_MEM_IO": "YES",
}
"""How GDAL reads local files. Any memory for decoded blocks (MB) that is set saves a third of the time of plain files:
with the default it is given back to the system after each file and touched anew. Side-car files are asked for by name
rather than by listing the folder, which takes long among thousands of chips. GeoTIFFs without compression are mapped
into memory, which takes a third off reading layers that lie pixel by pixel; others are read as ever."""

Window = tuple[slice, slice]
"""Rows and columns to read, with whole-number ends inside the file."""


@dataclass(frozen=True)
class Grid:
    """Where the pixels of a raster lie.

    Attributes:
        crs: Coordinate reference system as WKT; None where the file has none.
        transform: Affine transform from (column, row) to CRS coordinates.
        height: Rows.
        width: Columns.
    """

    crs: str | None
    transform: Affine
    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.height, self.width

    def matches(self, other: "Grid") -> bool:
        """Whether pixels lie on pixels: same shape and, where both are georeferenced, same CRS and place.

        Places may differ by a thousandth of a pixel.
        """
        if self.shape != other.shape:
            return False
        if self.crs is None or other.crs is None:
            return True
        near = 1e-3 * max(abs(self.transform.a) + abs(self.transform.b), 1e-12)
        corners = zip(self._corners(), other._corners(), strict=True)
        return CRS.from_wkt(self.crs) == CRS.from_wkt(other.crs) and all(abs(a - b) <= near for a, b in corners)

    def _corners(self) -> tuple[float, ...]:
        first, last = self.window(0, 0, 1, 1).transform, self.window(self.height, self.width, 1, 1).transform
        return first.c, first.f, last.c, last.f

    def centre(self) -> tuple[float, float] | None:
        """Latitude and longitude of the middle, degrees (WGS 84); None where the grid lies nowhere on Earth."""
        if self.crs is None or self.transform == Affine.identity():
            return None
        middle = self.window(self.height, self.width, 1, 1).transform
        x, y = (self.transform.c + middle.c) / 2, (self.transform.f + middle.f) / 2
        try:
            [longitude], [latitude] = transform_points(CRS.from_wkt(self.crs), CRS.from_epsg(4326), [x], [y])
        except (RasterioError, CRSError, CPLE_BaseError):  # the last are GDAL's own, which this call lets through
            return None
        inside = math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude)
        return (latitude, (longitude + 180) % 360 - 180) if inside else None

    def bounds_lonlat(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north, degrees (WGS 84), of its corners; None where it lies nowhere on Earth."""
        if self.centre() is None or self.crs is None:
            return None
        ends = [(row, column) for row in (0, self.height) for column in (0, self.width)]
        corners = [self.window(row, column, 1, 1).transform for row, column in ends]
        xs, ys = [corner.c for corner in corners], [corner.f for corner in corners]
        longitudes, latitudes = transform_points(CRS.from_wkt(self.crs), CRS.from_epsg(4326), xs, ys)
        return min(longitudes), min(latitudes), max(longitudes), max(latitudes)

    def window(self, row: int, column: int, height: int, width: int) -> "Grid":
        """The grid of a window whose upper left pixel is (row, column)."""
        turn = self.transform
        west = turn.a * column + turn.b * row + turn.c
        north = turn.d * column + turn.e * row + turn.f
        return Grid(self.crs, Affine(turn.a, turn.b, west, turn.d, turn.e, north), height, width)


@dataclass(frozen=True)
class Raster:
    """Layers read from a file.

    Attributes:
        values: Shape (L, H, W), in the file's own type.
        valid: Shape (L, H, W), False where the layer has no observation.
        grid: Where the pixels lie.
        bands: Names of the L layers; an empty string where the file gives none.
        tags: Further text the file carries, by upper-case name.
    """

    values: NDArray[np.generic]
    valid: NDArray[np.bool_]
    grid: Grid
    bands: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.bands), *self.grid.shape)
        if self.values.shape != expected or self.valid.shape != expected:
            raise ValueError(f"values {self.values.shape} and valid {self.valid.shape}; expected both {expected}")


@dataclass(frozen=True)
class RasterInfo:
    """What a file says of itself without reading pixels."""

    layers: int
    grid: Grid
    dtype: str
    no_data_value: float | None
    tags: Mapping[str, str] = field(default_factory=dict)


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
            if mark is not None and math.isfinite(mark) and _representable(mark, values.dtype):
                valid[layers] &= values[layers] != values.dtype.type(mark)
    return valid


def write_raster(
    path: str | Path,
    values: NDArray[np.generic],
    grid: Grid,
    *,
    no_data_value: float | None = None,
    bands: Sequence[str] = (),
    class_names: Sequence[str] = (),
    class_colors: Mapping[int, tuple[int, int, int]] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a tiled, compressed GeoTIFF; the file appears whole or not at all.

    Args:
        path: Where to; missing folders are made.
        values: Shape (L, H, W), written in their own type.
        grid: Must have the shape (H, W).
        no_data_value: Declared as the no-data tag; must be representable in the type of `values`.
        bands: Layer names.
        class_names: Names of the values 0, 1, …; stored as the tags CLASS_0, CLASS_1, … and, as JSON, CLASS_NAMES.
        class_colors: Red, green, blue in 0..255 by value, stored as the colour map (one uint8 or uint16 layer).
        tags: Further tags of the file.

    Raises:
        ValueError: Shape or no-data value do not fit.
        RasterError: The file cannot be written.
    """
    path = Path(path)
    if values.ndim != 3 or values.shape[1:] != grid.shape:
        raise ValueError(f"values {values.shape} do not fit the grid {grid.shape}")
    if no_data_value is not None and not _representable(no_data_value, values.dtype):
        raise ValueError(f"no-data value {no_data_value} is outside {values.dtype}")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part.tif")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(temporary, "w", **_profile(values, grid, no_data_value)) as target:
            if class_colors:
                target.write_colormap(1, {value: (*color, 255) for value, color in class_colors.items()})
            target.write(values)
            for layer, name in enumerate(bands, start=1):
                target.set_band_description(layer, name)
            if class_names:
                target.update_tags(CLASS_NAMES=json.dumps(list(class_names)))
                target.update_tags(1, **{f"CLASS_{value}": name for value, name in enumerate(class_names)})
            target.update_tags(**(tags or {}))
        os.replace(temporary, path)
    except (RasterioError, OSError) as error:
        raise RasterError(f"{path}: cannot be written ({error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def unfinished(folder: Path) -> dict[Path, Path]:
    """Files that `write_raster` was writing in a folder, and what each was to become; after a kill they stay."""
    return {path: path.with_name(f"{path.name[1:].rsplit('.', 3)[0]}.tif") for path in folder.glob(".*.part.tif")}


def _representable(value: float, dtype: np.dtype[np.generic]) -> bool:
    if dtype.kind == "f":
        return math.isnan(value) or abs(value) <= float(np.finfo(dtype.name).max)
    return (
        dtype.kind in "iu"
        and float(value).is_integer()
        and np.iinfo(dtype.name).min <= value <= np.iinfo(dtype.name).max
    )


def _profile(values: NDArray[np.generic], grid: Grid, no_data_value: float | None) -> dict[str, object]:
    count, height, width = values.shape
    profile: dict[str, object] = {
        "driver": "GTiff", "dtype": values.dtype.name, "count": count, "height": height, "width": width,
        "nodata": no_data_value, "compress": "deflate", "BIGTIFF": "IF_SAFER",
        "predictor": 3 if values.dtype.kind == "f" else 2,
    }  # fmt: skip
    if grid.crs is not None:
        profile["crs"] = grid.crs
    if grid.transform != Affine.identity():
        profile["transform"] = grid.transform
    if min(height, width) >= BLOCK:
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    return profile


def crop(raster: Raster, row: int, column: int, height: int, width: int) -> Raster:
    """The part of a raster whose upper left pixel is (row, column)."""
    part = (slice(None), slice(row, row + height), slice(column, column + width))
    return Raster(
        raster.values[part],
        raster.valid[part],
        raster.grid.window(row, column, height, width),
        raster.bands,
        raster.tags,
    )
