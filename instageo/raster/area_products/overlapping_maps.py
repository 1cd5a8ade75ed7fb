"""Maps in an order: of those that overlap, the first one with an observation at the centre of a pixel counts."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from instageo.errors import ConfigError, RasterError
from instageo.raster.area_products.pixel_hectares import PixelHectares
from instageo.raster.area_products.smooth_fields import Field, Floats, evaluate_field
from instageo.raster.area_products.zone_pixels import outline_grid
from instageo.raster.grid import Grid
from instageo.raster.map_products.finished_map import FinishedMap, open_map
from instageo.raster.warp import is_geographic, same_crs, transform_coordinates

POSITION_ERROR = 1e-4
"""Parts of a pixel by which a position in another map may be wrong."""


MAX_PIXELS = 1 << 23
"""Most pixels of another map that are read at once."""


@dataclass(frozen=True)
class CountedPixels:
    """Pixels of a window of a map.

    Attributes:
        values: Shape (h, w), in the file's own type.
        observed: Shape (h, w), True where the map has an observation and no earlier map has.
        unobserved: Shape (h, w), True where no map has an observation, and no earlier map has this place on its grid.
    """

    values: NDArray[np.generic]
    observed: NDArray[np.bool_]
    unobserved: NDArray[np.bool_]


@dataclass(frozen=True)
class OverlappingMaps:
    """Open maps in the order in which they count; `open_maps` returns them.

    Attributes:
        files: The maps.
        outlines: Their outlines (shapely) in longitude and latitude.
        hectares: Areas of their pixels.
    """

    files: tuple[FinishedMap, ...]
    outlines: tuple[Any, ...]
    hectares: tuple[PixelHectares, ...]

    @property
    def names(self) -> list[str]:
        """Names of the files."""
        return [Path(str(file.raster.path)).name for file in self.files]

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes; empty if no map has any."""
        return next((file.class_names for file in self.files if file.class_names), ())

    @cached_property
    def coverage(self) -> Any:
        """What the grids of all maps cover, in longitude and latitude (shapely)."""
        import shapely

        return shapely.union_all(self.outlines)

    def read_counted(self, number: int, rows: range, columns: range) -> CountedPixels:
        """Read a window of a map, and find which of its pixels count.

        Raises:
            RasterError: A block cannot be read.
        """
        part = self.files[number].raster.read([0], window=(_slice(rows), _slice(columns)))
        valid = part.valid[0]
        observed, unobserved = valid.copy(), ~valid
        for other in self._neighbors[number]:
            inside, has_value = self._look_up(number, other, rows, columns)
            if other < number:
                observed &= ~has_value
                unobserved &= ~inside
            else:
                unobserved &= ~has_value
        return CountedPixels(part.values[0], observed, unobserved)

    @cached_property
    def _neighbors(self) -> list[list[int]]:
        """Maps that overlap each map."""
        import shapely

        first, second = shapely.STRtree(self.outlines).query(self.outlines, predicate="intersects")
        pairs = [(one, other) for one, other in zip(first.tolist(), second.tolist(), strict=True) if one != other]
        return [sorted(other for one, other in pairs if one == number) for number in range(len(self.files))]

    def _look_up(self, number: int, other: int, rows: range, columns: range) -> tuple[NDArray[np.bool_], ...]:
        """Return which pixels of a map have their centre on the grid of another one, and on an observation there."""
        source, target = self.files[number].grid, self.files[other].grid
        row, column = _positions(source, target, rows, columns)
        inside = (row >= 0) & (row < target.height) & (column >= 0) & (column < target.width)  # False for NaN
        has_value = np.zeros_like(inside)
        if inside.any():
            has_value[inside] = self._read_valid(other, row[inside].astype(np.int64), column[inside].astype(np.int64))
        return inside, has_value

    def _read_valid(self, number: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pixels (N,) of a map are observations; those of much finer maps are read part by part."""
        ends = (rows.min(), rows.max() + 1), (columns.min(), columns.max() + 1)
        sides = [int(last - first) for first, last in ends]
        if sides[0] * sides[1] > MAX_PIXELS:
            positions, axis = ((rows, columns)[int(sides[1] > sides[0])], int(sides[1] > sides[0]))
            upper = positions < ends[axis][0] + sides[axis] // 2
            has_value = np.zeros(len(rows), np.bool_)
            for half in (upper, ~upper):
                if half.any():
                    has_value[half] = self._read_valid(number, rows[half], columns[half])
            return has_value
        (top, bottom), (left, right) = ends
        window = slice(int(top), int(bottom)), slice(int(left), int(right))
        valid: NDArray[np.bool_] = self.files[number].raster.read([0], window=window).valid[0]
        result: NDArray[np.bool_] = valid[rows - top, columns - left]
        return result


@contextmanager
def open_maps(maps: Sequence[str | Path]) -> Iterator[OverlappingMaps]:
    """Open maps in the order in which they count.

    Raises:
        ConfigError: No map was given.
        RasterError: A map cannot be read, has no place on Earth, or is of another kind or other classes than the first
            one.
    """
    if not maps:
        raise ConfigError("areas of zones need at least one map")
    with ExitStack() as stack:
        files = tuple(stack.enter_context(open_map(path)) for path in maps)
        named = [file for file in files if file.class_names]
        for file in files[1:]:
            if file.has_classes != files[0].has_classes:
                _refuse(files[0], file, "one holds classes and the other one values")
        for file in named[1:]:
            if file.class_names != named[0].class_names:
                _refuse(named[0], file, "have different class names")
        hectares = tuple(PixelHectares(file.grid, str(file.raster.path)) for file in files)
        outlines = tuple(outline_grid(file.grid, str(file.raster.path)) for file in files)
        yield OverlappingMaps(files, outlines, hectares)


def _refuse(first: FinishedMap, other: FinishedMap, problem: str) -> None:
    raise RasterError(
        f"{first.raster.path} and {other.raster.path}: {problem}, but maps of one area need the same; measure each "
        "kind on its own"
    )


def _slice(window: range) -> slice:
    return slice(window.start, window.stop)


def _positions(source: Grid, target: Grid, rows: range, columns: range) -> Floats:
    """Return rows and columns, as fractions, in a grid of the centres of another grid's pixels, shape (2, h, w)."""
    field = _position_field(source, target)
    if same_crs(source.crs or "", target.crs or ""):
        return field(np.array(rows) + 0.5, np.array(columns) + 0.5)
    return evaluate_field(field, rows, columns, POSITION_ERROR)


def _position_field(source: Grid, target: Grid) -> Field:
    """Return the function of rows and columns of a grid that returns those in another one."""
    crs, target_crs = source.crs or "", target.crs or ""
    inverse: Affine = ~target.transform
    turn = 2 * np.pi / float(CRS.from_wkt(target_crs).units_factor[1]) if is_geographic(target_crs) else None
    middle = target.transform.a * target.width / 2 + target.transform.c

    def field(rows: Floats, columns: Floats) -> Floats:
        down, across = rows[:, None], columns
        x = source.transform.a * across + source.transform.b * down + source.transform.c
        y = source.transform.d * across + source.transform.e * down + source.transform.f
        if not same_crs(crs, target_crs):
            moved = transform_coordinates(crs, target_crs, x.ravel().tolist(), y.ravel().tolist())
            x, y = np.array(moved).reshape(2, len(rows), len(columns))
        if turn is not None:
            with np.errstate(invalid="ignore"):
                x = x - turn * np.rint((x - middle) / turn)
        with np.errstate(invalid="ignore"):
            column = inverse.a * x + inverse.b * y + inverse.c
            row = inverse.d * x + inverse.e * y + inverse.f
        return np.stack([row, column])

    return field
