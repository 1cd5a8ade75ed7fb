"""Ground control points: positions on Earth of some pixels, in place of an affine transform."""

from collections.abc import Sequence
from dataclasses import dataclass

import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import TransformError
from rasterio.io import DatasetReader
from rasterio.transform import GCPTransformer

Point = tuple[float, float, float, float, float]
"""Row, column, x, y and height of a ground control point."""


@dataclass(frozen=True)
class ControlPoints:
    """Ground control points of a raster.

    Attributes:
        crs: Coordinate reference system of the points as WKT; None if it is unknown.
        points: The points; rows and columns count from the upper left corner of the upper left pixel.
    """

    crs: str | None
    points: tuple[Point, ...]

    def shift(self, row: int, column: int) -> "ControlPoints":
        """Return the points of a window whose upper left pixel is (row, column)."""
        return ControlPoints(self.crs, tuple((point[0] - row, point[1] - column, *point[2:]) for point in self.points))

    def locate(self, rows: Sequence[float], columns: Sequence[float]) -> tuple[list[float], list[float]]:
        """Return x and y of positions by the polynomial that GDAL fits to the points.

        Raises:
            TransformError: There are fewer than three points.
            CPLE_BaseError: They lie on a line.
        """
        if len(self.points) < 3:
            raise TransformError(f"{len(self.points)} ground control points; expected three or more")
        with rasterio.Env(), GCPTransformer(self.to_rasterio()) as transformer:
            xs, ys = transformer.xy(list(rows), list(columns), offset="ul")
        return list(map(float, xs)), list(map(float, ys))

    def to_rasterio(self) -> list[GroundControlPoint]:
        """Return the points as rasterio takes them."""
        return [
            GroundControlPoint(row, column, x, y, z, id=str(number))
            for number, (row, column, x, y, z) in enumerate(self.points, start=1)
        ]


def read_control_points(source: DatasetReader) -> ControlPoints | None:
    """Return the ground control points of an open file, or None."""
    points, crs = source.gcps
    if not points:
        return None
    numbers = tuple((point.row, point.col, point.x, point.y, point.z or 0.0) for point in points)
    return ControlPoints(crs.to_wkt() if crs else None, numbers)


def rasterio_crs(crs: str | None) -> CRS:
    """Return a CRS as rasterio takes it; an empty one for None."""
    return CRS() if crs is None else CRS.from_wkt(crs)
