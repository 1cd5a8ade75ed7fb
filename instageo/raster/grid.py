"""Rasters in memory: values, validity mask and grid."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from instageo.raster.ground_control import ControlPoints
from instageo.raster.warp import GDAL_ERRORS, transform_points

Window = tuple[slice, slice]
"""Rows and columns to read, with integer ends inside the file."""


def is_position(transform: Affine) -> bool:
    """Return whether an affine transform gives pixels finite positions and an area; those of damaged files do not."""
    area = abs(transform.determinant)
    return all(map(math.isfinite, transform)) and sys.float_info.min <= area < math.inf


@dataclass(frozen=True)
class Grid:
    """Position of the pixels of a raster on Earth.

    Attributes:
        crs: Coordinate reference system as WKT; None if the file has none.
        transform: Affine transform from (column, row) to CRS coordinates; the identity if the file has none.
        height: Rows.
        width: Columns.
        control_points: Ground control points, in place of the transform.
        rpcs: Rational polynomial coefficients, which locate pixels where there is neither transform nor control points.
    """

    crs: str | None
    transform: Affine
    height: int
    width: int
    control_points: ControlPoints | None = None
    rpcs: RPC | None = field(default=None, hash=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.height, self.width

    def matches(self, other: "Grid") -> bool:
        """Return whether both grids have the same shape and, if both are georeferenced, the same CRS and position.

        Positions may differ by a thousandth of a pixel, or by half a pixel where control points or polynomials give
        them. Polynomials are compared with polynomials alone, since their positions depend on the height.
        """
        if self.shape != other.shape:
            return False
        if not (self._is_fitted or other._is_fitted):
            return self._matches_affine(other)
        if self._uses_rpcs != other._uses_rpcs:
            return True
        first, second = (grid._locate([0, self.height], [0, self.width]) for grid in (self, other))
        if first is None or second is None:
            points = self.control_points, other.control_points
            return None in points or points[0] == points[1]
        (west, east), (north, south) = first
        half_a_pixel = math.hypot(east - west, south - north) / math.hypot(*self.shape) / 2
        differences = np.subtract(first, second)
        return bool((np.hypot(*differences) <= half_a_pixel).all())

    def _matches_affine(self, other: "Grid") -> bool:
        if None in (self.crs, other.crs) or (self.crs, self.transform) == (other.crs, other.transform):
            return True
        tolerance = 1e-3 * max(abs(self.transform.a) + abs(self.transform.b), 1e-12)
        first, second = (np.array(grid.to_crs([0, self.height], [0, self.width])) for grid in (self, other))
        return CRS.from_wkt(self.crs or "") == CRS.from_wkt(other.crs or "") and bool(
            (abs(first - second) <= tolerance).all()
        )

    @property
    def _is_fitted(self) -> bool:
        """Whether control points or polynomials give the position in place of a transform."""
        return self.transform.is_identity and (self.control_points is not None or self.rpcs is not None)

    @property
    def _uses_rpcs(self) -> bool:
        return self._is_fitted and self.control_points is None

    def window(self, row: int, column: int, height: int, width: int) -> "Grid":
        """Return the grid of a window whose upper left pixel is (row, column)."""
        affine, points, rpcs = self.transform, self.control_points, self.rpcs
        if points is not None:
            points = points.shift(row, column)
        if rpcs is not None:
            rpcs = RPC(**rpcs.to_dict() | {"line_off": rpcs.line_off - row, "samp_off": rpcs.samp_off - column})
        if not affine.is_identity:
            [west], [north] = self.to_crs([row], [column])
            affine = Affine(affine.a, affine.b, west, affine.d, affine.e, north)
        return Grid(self.crs, affine, height, width, points, rpcs)

    def center_lat_lon(self) -> tuple[float, float] | None:
        """Return latitude and longitude of the centre, degrees (WGS 84), or None if the grid is nowhere on Earth."""
        return self.lat_lon_at([self.height / 2], [self.width / 2])[0]

    def lat_lon_at(self, rows: Sequence[float], columns: Sequence[float]) -> list[tuple[float, float] | None]:
        """Return latitude and longitude of positions, degrees (WGS 84), or None where they are nowhere on Earth.

        Args:
            rows: Row of each; 0 is the upper edge of the first pixel.
            columns: Column of each, likewise.
        """
        located = self._locate(rows, columns)
        if located is None:
            return [None] * len(rows)
        return [
            (latitude, (longitude + 180) % 360 - 180)
            if math.isfinite(latitude) and abs(latitude) <= 90 and math.isfinite(longitude)
            else None
            for longitude, latitude in zip(*located, strict=True)
        ]

    def corners_lonlat(self) -> list[tuple[float, float]] | None:
        """Return longitude and latitude of the corners, degrees (WGS 84), or None if one is not on Earth.

        They are those of the upper left, upper right, lower right and lower left pixel. Longitudes of a grid across
        the antimeridian may jump by 360 degrees from one corner to the next.
        """
        corners = self._locate([0, 0, self.height, self.height], [0, self.width, self.width, 0])
        if self.center_lat_lon() is None or corners is None:
            return None
        longitudes, latitudes = corners
        if not all(map(math.isfinite, [*longitudes, *latitudes])):  # a corner lies beyond the Earth's edge
            return None
        return list(zip(longitudes, latitudes, strict=True))

    def bounds_lonlat(self) -> tuple[float, float, float, float] | None:
        """Return west, south, east and north of the corners, degrees (WGS 84), or None if one is not on Earth.

        East exceeds 180 where the grid crosses that longitude.
        """
        corners, center = self.corners_lonlat(), self.center_lat_lon()
        if corners is None or center is None:
            return None
        longitudes, latitudes = zip(*corners, strict=True)
        if not min(longitudes) <= center[1] <= max(longitudes):
            longitudes = tuple(longitude + 360 * (longitude < 0) for longitude in longitudes)
        return min(longitudes), min(latitudes), max(longitudes), max(latitudes)

    def _locate(
        self, rows: Sequence[float], columns: Sequence[float]
    ) -> tuple[Sequence[float], Sequence[float]] | None:
        """Return longitudes and latitudes of positions, degrees (WGS 84), or None if the grid is nowhere on Earth."""
        try:
            if self._uses_rpcs and self.rpcs is not None:
                with RPCTransformer(self.rpcs, RPC_HEIGHT=self.rpcs.height_off) as transformer:
                    xs, ys = transformer.xy(list(rows), list(columns), offset="ul")
                return list(map(float, xs)), list(map(float, ys))
            if self._is_fitted and self.control_points is not None:
                crs, (xs, ys) = self.control_points.crs, self.control_points.locate(rows, columns)
            else:
                crs, (xs, ys) = self.crs, self.to_crs(rows, columns)
            if crs is None or (self.transform.is_identity and not self._is_fitted):
                return None
            longitudes, latitudes = transform_points(CRS.from_wkt(crs), CRS.from_epsg(4326), xs, ys)
        except GDAL_ERRORS:
            return None
        return longitudes, latitudes

    def to_crs(self, rows: Sequence[float], columns: Sequence[float]) -> tuple[list[float], list[float]]:
        """Return x and y of positions in CRS coordinates, by the transform; (0, 0) is the first pixel's corner."""
        a, b, c, d, e, f = self.transform[:6]
        positions = list(zip(rows, columns, strict=True))
        return [a * column + b * row + c for row, column in positions], [
            d * column + e * row + f for row, column in positions
        ]

    def from_crs(
        self, xs: NDArray[np.float64], ys: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return rows and columns, as fractions, of positions in CRS coordinates, by the transform."""
        a, b, c, d, e, f = (~self.transform)[:6]
        return d * xs + e * ys + f, a * xs + b * ys + c


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
    """Metadata of a raster file, read without its pixels.

    Attributes:
        num_layers: Number of layers, with the alpha layer.
        grid: Position of the pixels.
        dtype: Type of the values of the first layer.
        no_data_value: No-data tag of the first layer, None without one or if no pixel can have it.
        tags: Metadata of the file as text, by upper-case name.
        alpha_layer: 0-based position of the layer that is marked as alpha; it is a mask unless it is read as a band.
        mask_kind: What else holds a mask: "internal", "side-car" or "NODATA_VALUES"; None without one.
        descriptions: What the file calls its layers; an empty string where it gives no name.
        scales: Scale tag of each layer, 1 without a tag.
        offsets: Offset tag of each layer, 0 without a tag.
    """

    num_layers: int
    grid: Grid
    dtype: str
    no_data_value: float | None
    tags: Mapping[str, str] = field(default_factory=dict)
    alpha_layer: int | None = None
    mask_kind: str | None = None
    descriptions: tuple[str, ...] = ()
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()

    @property
    def data_layers(self) -> list[int]:
        """0-based layers without the alpha layer; `read_raster` returns them if none are named."""
        return [layer for layer in range(self.num_layers) if layer != self.alpha_layer]


def crop(raster: Raster, row: int, column: int, height: int, width: int) -> Raster:
    """Return the part of a raster whose upper left pixel is (row, column)."""
    window = (slice(None), slice(row, row + height), slice(column, column + width))
    grid = raster.grid.window(row, column, height, width)
    return Raster(raster.values[window], raster.valid[window], grid, raster.bands, raster.tags)
