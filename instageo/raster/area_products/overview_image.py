"""Maps of several UTM zones together in the pixels of one small picture, in longitude and latitude."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject
from rasterio.windows import Window

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.reading import OpenRaster, open_raster
from instageo.raster.validity import stored_value
from instageo.raster.warp import GDAL_ERRORS, WGS84, Bounds, crs_wkt, transform_bounds

EDGE = 0.02
"""Degrees that are read around the box of a map, whose edges are curved in longitude and latitude."""

FINER = 1.5
"""Pixels that are read along a pixel of the picture; overviews of maps are read where they are fine enough."""

SMALLEST_BOX = 1e-4
"""Least width and height of a picture, degrees."""

LEAST_COSINE = 0.02
"""Least cosine of the latitude, so that pictures next to a pole stay finite."""


@dataclass(frozen=True)
class OverviewGrid:
    """Pixels of a picture in longitude and latitude with north up, square on the ground in its middle.

    Attributes:
        west: Longitude of the left edge, degrees; those to its right may exceed 180.
        north: Latitude of the upper edge, degrees.
        lon_step: Width of a pixel, degrees.
        lat_step: Height of a pixel, degrees.
        width: Columns.
        height: Rows.
    """

    west: float
    north: float
    lon_step: float
    lat_step: float
    width: int
    height: int

    @property
    def bounds(self) -> Bounds:
        """West, south, east and north, degrees."""
        south = self.north - self.height * self.lat_step
        return self.west, south, self.west + self.width * self.lon_step, self.north

    @cached_property
    def grid(self) -> Grid:
        """Its pixels as those of a raster."""
        affine = Affine(self.lon_step, 0, self.west, 0, -self.lat_step, self.north)
        return Grid(crs_wkt(WGS84), affine, self.height, self.width)

    def position(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Return column and row, as fractions, of a place; (0, 0) is the upper left corner."""
        return (longitude - self.west) / self.lon_step, (self.north - latitude) / self.lat_step


@dataclass(frozen=True)
class Overview:
    """Maps in the pixels of a picture.

    Attributes:
        values: Values of the maps, shape (H, W), float32; NaN where no map has an observation.
        source: Number of the map of each pixel, shape (H, W), int16; -1 for none.
    """

    values: NDArray[np.float32]
    source: NDArray[np.int16]


def fit_overview(bounds: Bounds, side: int, margin: float = 0.03) -> OverviewGrid:
    """Return the pixels of a picture that contains a box.

    Args:
        bounds: West, south, east and north, degrees; east may exceed 180.
        side: Longer side of the picture, pixels.
        margin: Width of the rim around the box, as a part of its longer side.
    """
    west, south, east, north = bounds
    cosine = max(math.cos(math.radians((south + north) / 2)), LEAST_COSINE)
    width, height = max((east - west) * cosine, SMALLEST_BOX), max(north - south, SMALLEST_BOX)
    rim = margin * max(width, height)
    step = (max(width, height) + 2 * rim) / side
    columns, rows = (max(math.ceil((length + 2 * rim) / step - 1e-9), 1) for length in (width, height))
    left = (west + east) / 2 - columns * step / cosine / 2
    top = (south + north) / 2 + rows * step / 2
    return OverviewGrid(left, top, step / cosine, step, columns, rows)


def read_overview(
    paths: Sequence[str | Path], target: OverviewGrid, layer: int = 0, *, empty: Sequence[int] = ()
) -> Overview:
    """Read maps in the pixels of a picture; where maps overlap, the first one with an observation counts.

    Only the part of each map that lies in the picture is read, from overviews where these are fine enough.

    Args:
        paths: Maps in any coordinate reference systems.
        target: The pixels of the picture.
        layer: Number of the layer, from 0.
        empty: Values that mean no observation, in addition to no-data.

    Raises:
        RasterError: A map cannot be read, or has no georeference.
    """
    values = np.full((target.height, target.width), np.nan, np.float32)
    source = np.full(values.shape, -1, np.int16)
    for number, path in enumerate(paths):
        with open_raster(path) as raster:
            part = _read_part(raster, target, layer)
        if part is None:
            continue
        window, warped = part
        warped[np.isin(warped, empty)] = np.nan
        free = np.isnan(values[window]) & ~np.isnan(warped)
        values[window][free] = warped[free]
        source[window][free] = number
    return Overview(values, source)


def count_layers(path: str | Path) -> int:
    """Return the number of layers of a raster."""
    with open_raster(path) as raster:
        return raster.info.num_layers


def _read_part(
    raster: OpenRaster, target: OverviewGrid, layer: int
) -> tuple[tuple[slice, slice], NDArray[np.float32]] | None:
    """Return rows and columns of the picture that a map may cover, and its values there; None if it covers none."""
    grid = raster.info.grid
    box = grid.bounds_lonlat()
    if grid.crs is None or box is None:
        raise RasterError(f"{raster.path}: has no georeference, so it has no place in a picture; write the map again")
    rows_columns = _pixels_of(box, target)
    if rows_columns is None:
        return None
    rows, columns = rows_columns
    affine = target.grid.transform @ Affine.translation(columns.start, rows.start)
    shape = rows.stop - rows.start, columns.stop - columns.start
    west, north = affine.c, affine.f
    bounds = (west, north - shape[0] * target.lat_step, west + shape[1] * target.lon_step, north)
    read = _read_window(raster, bounds, shape, layer)
    if read is None:
        return None
    warped = np.full(shape, np.nan, np.float32)
    try:
        reproject(
            read[0], warped, src_transform=read[1], src_crs=CRS.from_wkt(grid.crs), src_nodata=np.nan,
            dst_transform=affine, dst_crs=CRS.from_epsg(4326), dst_nodata=np.nan, resampling=Resampling.nearest,
        )  # fmt: skip
    except GDAL_ERRORS as error:
        raise RasterError(f"{raster.path}: cannot be brought to longitude and latitude ({error})") from error
    return rows_columns, warped


def _pixels_of(box: Bounds, target: OverviewGrid) -> tuple[slice, slice] | None:
    """Return rows and columns of a picture that a box in degrees touches; None if it touches none."""
    west, south, east, north = box
    turn = 360 * round((target.bounds[0] + target.bounds[2] - west - east) / 720)
    left, top = target.position(west + turn - EDGE, north + EDGE)
    right, bottom = target.position(east + turn + EDGE, south - EDGE)
    rows = slice(max(math.floor(top), 0), min(math.ceil(bottom), target.height))
    columns = slice(max(math.floor(left), 0), min(math.ceil(right), target.width))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _read_window(
    raster: OpenRaster, bounds: Bounds, shape: tuple[int, int], layer: int
) -> tuple[NDArray[np.float32], Affine] | None:
    """Return the values of a map in a box in degrees, NaN without an observation, and their transform."""
    grid, source = raster.info.grid, raster.source
    west, south, east, north = transform_bounds(WGS84, grid.crs or "", bounds)
    corners = [~grid.transform @ (x, y) for x in (west, east) for y in (south, north)]
    columns, rows = zip(*corners, strict=True)
    left, top = max(math.floor(min(columns)) - 1, 0), max(math.floor(min(rows)) - 1, 0)
    right, bottom = min(math.ceil(max(columns)) + 1, grid.width), min(math.ceil(max(rows)) + 1, grid.height)
    if left >= right or top >= bottom:
        return None
    window = Window(left, top, right - left, bottom - top)
    scales = (max(rows) - min(rows)) / shape[0], (max(columns) - min(columns)) / shape[1]
    scale = max(min(scales) / FINER, 1.0)
    out = max(math.ceil(window.height / scale), 1), max(math.ceil(window.width / scale), 1)
    try:
        values = source.read(layer + 1, window=window, out_shape=out, resampling=Resampling.nearest)
        valid = source.read_masks(layer + 1, window=window, out_shape=out, resampling=Resampling.nearest) > 0
    except RasterioError as error:
        raise RasterError(f"{raster.path}: cannot be read ({error}); write the map again") from error
    no_data = stored_value(source.nodatavals[layer], values.dtype)
    if no_data is not None:
        valid &= values != no_data
    affine = grid.transform @ Affine.translation(left, top)
    affine = affine @ Affine.scale(window.width / out[1], window.height / out[0])
    return np.where(valid, values, np.nan).astype(np.float32), affine
