"""Rasters in memory: values, validity mask and grid."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform as transform_points

Window = tuple[slice, slice]
"""Rows and columns to read, with integer ends inside the file."""


@dataclass(frozen=True)
class Grid:
    """Position of the pixels of a raster on Earth.

    Attributes:
        crs: Coordinate reference system as WKT; None if the file has none.
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
        """Return whether both grids have the same shape and, if both are georeferenced, the same CRS and position.

        Positions may differ by a thousandth of a pixel.
        """
        if self.shape != other.shape:
            return False
        if self.crs is None or other.crs is None:
            return True
        tolerance = 1e-3 * max(abs(self.transform.a) + abs(self.transform.b), 1e-12)
        corners = zip(self._opposite_corners(), other._opposite_corners(), strict=True)
        return CRS.from_wkt(self.crs) == CRS.from_wkt(other.crs) and all(abs(a - b) <= tolerance for a, b in corners)

    def window(self, row: int, column: int, height: int, width: int) -> "Grid":
        """Return the grid of a window whose upper left pixel is (row, column)."""
        affine = self.transform
        west = affine.a * column + affine.b * row + affine.c
        north = affine.d * column + affine.e * row + affine.f
        return Grid(self.crs, Affine(affine.a, affine.b, west, affine.d, affine.e, north), height, width)

    def center_lat_lon(self) -> tuple[float, float] | None:
        """Return latitude and longitude of the centre, degrees (WGS 84), or None if the grid is nowhere on Earth."""
        if self.crs is None or self.transform == Affine.identity():
            return None
        left, top, right, bottom = self._opposite_corners()
        x, y = (left + right) / 2, (top + bottom) / 2
        try:
            [longitude], [latitude] = transform_points(CRS.from_wkt(self.crs), CRS.from_epsg(4326), [x], [y])
        except (RasterioError, CRSError, CPLE_BaseError):  # the last are GDAL's own, which this call lets through
            return None
        on_earth = math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude)
        return (latitude, (longitude + 180) % 360 - 180) if on_earth else None

    def bounds_lonlat(self) -> tuple[float, float, float, float] | None:
        """Return west, south, east and north of the corners, degrees (WGS 84), or None if nowhere on Earth."""
        if self.center_lat_lon() is None or self.crs is None:
            return None
        rows_and_columns = [(row, column) for row in (0, self.height) for column in (0, self.width)]
        corners = [self.window(row, column, 1, 1).transform for row, column in rows_and_columns]
        xs, ys = [corner.c for corner in corners], [corner.f for corner in corners]
        longitudes, latitudes = transform_points(CRS.from_wkt(self.crs), CRS.from_epsg(4326), xs, ys)
        return min(longitudes), min(latitudes), max(longitudes), max(latitudes)

    def _opposite_corners(self) -> tuple[float, float, float, float]:
        """Return x and y of the upper left corner, then of the lower right one, in CRS coordinates."""
        first, last = self.transform, self.window(self.height, self.width, 1, 1).transform
        return first.c, first.f, last.c, last.f


@dataclass(frozen=True)
class Raster:
    """Layers read from a file.

    Attributes:
        values: Shape (L, H, W), in the file's own type.
        valid: Shape (L, H, W), False where the layer has no observation.
        grid: Position of the pixels.
        bands: Names of the L layers; an empty string where the file gives none.
        tags: Metadata of the file as text, by upper-case name.
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
    """Metadata of a raster file, read without its pixels."""

    num_layers: int
    grid: Grid
    dtype: str
    no_data_value: float | None
    tags: Mapping[str, str] = field(default_factory=dict)


def crop(raster: Raster, row: int, column: int, height: int, width: int) -> Raster:
    """Return the part of a raster whose upper left pixel is (row, column)."""
    window = (slice(None), slice(row, row + height), slice(column, column + width))
    grid = raster.grid.window(row, column, height, width)
    return Raster(raster.values[window], raster.valid[window], grid, raster.bands, raster.tags)
