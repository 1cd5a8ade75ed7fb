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
