"""A scene: bands of several files and dates on one grid, before any pixel is read."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from affine import Affine

from instageo.errors import ConfigError, RasterError
from instageo.locations import is_remote
from instageo.products.quality_flags import Flag
from instageo.raster.grid import Grid
from instageo.raster.reading import OpenRaster, open_raster
from instageo.raster.scenes.alignment import align
from instageo.raster.scenes.blocks import block_shape, check_block_size, strip_rows
from instageo.raster.scenes.fingerprint import file_fingerprint
from instageo.wording import counted

MAX_UPSAMPLING = 16
"""How many times finer than the finest file the pixels of a scene may be; all beyond is a mistake in the unit."""

RESAMPLING = ("bilinear", "nearest")


@dataclass(frozen=True)
class BandSource:
    """Where a band is.

    Attributes:
        path: Path or URL of the file.
        layer: 0-based position in it.
        resampling: How it gets onto the grid of the scene where its own is another one, a value of `RESAMPLING`.
    """

    path: str
    layer: int = 0
    resampling: str = "bilinear"

    def __post_init__(self) -> None:
        if self.resampling not in RESAMPLING:
            raise ConfigError(f"resampling={self.resampling} is unknown; choose one of {', '.join(RESAMPLING)}")


@dataclass(frozen=True)
class QualitySource:
    """Where the quality layer of a date is, and which pixels it takes out.

    Attributes:
        path: Path or URL of the file.
        flags: What its values mean, of `QUALITY_FLAGS`; pixels without data are never valid.
        names: Flags whose pixels are not valid.
        dilation: Radius by which these flags grow, pixels of the scene.
        layer: 0-based position in the file.
    """

    path: str
    flags: Mapping[str, Flag] = field(hash=False)
    names: tuple[str, ...] = ()
    dilation: float = 0.0
    layer: int = 0


@dataclass(frozen=True)
class SceneLayers:
    """Layers of a scene; `open_scene` returns one.

    Attributes:
        grid: Position of the pixels.
        sources: The L = T * C layers, date by date.
        num_dates: Number of dates T.
        quality: Quality layer of each date, or None.
        block_shape: Rows and columns of the blocks that the finest file stores, in pixels of the scene.
        dtype: Type that holds the values of all files.
        no_data_value: Value that means "no observation" in addition to the files' own tags and masks.
    """

    grid: Grid
    sources: tuple[BandSource, ...]
    num_dates: int
    quality: tuple[QualitySource | None, ...]
    block_shape: tuple[int, int]
    dtype: str
    no_data_value: float | None = None

    @property
    def num_layers(self) -> int:
        """Number of layers L."""
        return len(self.sources)

    @property
    def is_remote(self) -> bool:
        """Whether a file is behind a URL."""
        return any(map(is_remote, self.paths))

    @property
    def bands_per_date(self) -> int:
        """Number of bands C of a date."""
        return len(self.sources) // self.num_dates

    @property
    def strip_rows(self) -> int:
        """Rows that are best read at once: those of whole blocks, at least 64."""
        return strip_rows(self.block_shape[0], self.grid.height)

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, each once: those of the bands, then those of quality layers."""
        quality = [source.path for source in self.quality if source is not None]
        return tuple(dict.fromkeys([*(source.path for source in self.sources), *quality]))

    def wanted(self, rows: slice, columns: slice) -> None:
        """Return that a map is to show all pixels."""

    def fingerprint(self) -> list[dict[str, object]]:
        """Return what changes when one of the files changes, as JSON takes it; see `file_fingerprint`."""
        return [entry for path in self.paths for entry in file_fingerprint(path)]


def open_scene(
    sources: Sequence[BandSource],
    num_dates: int,
    *,
    quality: Sequence[QualitySource | None] = (),
    resolution: float | None = None,
    no_data_value: float | None = None,
) -> SceneLayers:
    """Check that files fit together, and choose the grid of the one with the smallest pixels; no pixel is read.

    Args:
        sources: The bands of all dates, date by date.
        num_dates: Number of dates.
        quality: Quality layer of each date, or None; empty without any.
        resolution: Size of pixels in units of the reference system, in place of that of the finest file, whose upper
            left corner stays.
        no_data_value: Value that means "no observation", in addition to the files' own tags and masks.

    Raises:
        RasterError: A file is missing, unreadable or unlike the others, or has too few layers or too large blocks.
        ConfigError: The numbers of bands or quality layers do not fit the dates, or the grid has no resolution.
    """
    if not sources or num_dates < 1 or len(sources) % num_dates:
        raise ConfigError(
            f"{counted(len(sources), 'band')} for {counted(num_dates, 'date')}; expected as many for each"
        )
    if len(quality) not in (0, num_dates):
        raise ConfigError(
            f"{counted(len(quality), 'quality layer')} for {counted(num_dates, 'date')}; expected one each"
        )
    layers = [(source.path, source.layer) for source in (*sources, *quality) if source is not None]
    paths = dict.fromkeys(path for path, _ in layers)
    for path in paths:
        if not (is_remote(path) or Path(path).exists()):
            raise RasterError(f"{path}: no such file; check the path")
    with ExitStack() as stack:
        files = {path: stack.enter_context(open_raster(path)) for path in paths}
        for path, layer in layers:
            _check_layer(files[path], layer)
        bands = {path: files[path] for path, _ in layers[: len(sources)]}
        first, finest = min(bands.items(), key=lambda item: _pixel_area(item[1].info.grid))
        grid = finest.info.grid if resolution is None else _with_resolution(finest.info.grid, resolution, first)
        for path, file in files.items():
            check_block_size(file, sum(own == path for own, _ in layers))
            align(grid, file.info.grid, path, first)
        dtype = np.result_type(*(files[source.path].source.dtypes[source.layer] for source in sources))
        blocks = _scaled(block_shape(finest), finest.info.grid, grid)
    quality = quality or (None,) * num_dates
    return SceneLayers(grid, tuple(sources), num_dates, tuple(quality), blocks, dtype.name, no_data_value)


def _check_layer(file: OpenRaster, layer: int) -> None:
    count = file.source.count
    if not 0 <= layer < count:
        raise RasterError(
            f"{file.path}: has {counted(count, 'layer')}, but layer {layer} (counted from 0) was requested; name other "
            "bands, or another file"
        )


def _pixel_area(grid: Grid) -> float:
    return abs(grid.transform.determinant)


def _with_resolution(grid: Grid, resolution: float, path: str) -> Grid:
    """Return the grid with another size of pixels, from the same corner, of pixels whose centres it covers."""
    if not (math.isfinite(resolution) and resolution > 0):
        raise ConfigError(f"resolution={resolution}; expected a number above 0, in units of the reference system")
    if grid.transform.is_identity:
        raise ConfigError(f"resolution={resolution}: {path} has no transform that says how large its pixels are")
    a, b, c, d, e, f = grid.transform[:6]
    x_scale, y_scale = resolution / math.hypot(a, d), resolution / math.hypot(b, e)
    if min(x_scale, y_scale) < 1 / MAX_UPSAMPLING:
        raise ConfigError(
            f"resolution={resolution:g}: is {1 / min(x_scale, y_scale):.0f} times finer than the pixels of {path}; "
            f"expected at most {MAX_UPSAMPLING} times, in units of the reference system"
        )
    transform = Affine(a * x_scale, b * y_scale, c, d * x_scale, e * y_scale, f)
    height, width = (max(math.ceil(n / s - 0.5), 1) for n, s in ((grid.height, y_scale), (grid.width, x_scale)))
    return Grid(grid.crs, transform, height, width)


def _scaled(blocks: tuple[int, int], own: Grid, grid: Grid) -> tuple[int, int]:
    """Return the shape of blocks in pixels of another grid."""
    if own == grid:
        return blocks
    scale = math.sqrt(_pixel_area(own) / _pixel_area(grid))
    rows, columns = (max(round(size * min(scale, 1)), 1) for size in blocks)  # finer pixels take no larger strips
    return min(rows, grid.height), min(columns, grid.width)
