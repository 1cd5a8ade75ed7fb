"""Grids that records give by the projection extension of STAC; a grid that cannot be one counts as not given."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from affine import Affine

from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt

CRS_KEYS = ("proj:code", "proj:epsg", "proj:wkt2")

_CODE = re.compile(r"(EPSG|ESRI|IAU(_\d{4})?):\d{1,10}")
_WKT = re.compile(r"[A-Z][A-Z0-9_]{3,30}\[.{1,20000}", re.DOTALL)

MOST_PIXELS = 1_000_000
"""Most rows or columns of an image."""

LEAST_PIXEL = 1e-7
"""Smallest pixel, in the unit of the reference system: 1 cm in degrees."""


def record_grid(fields: Mapping[str, Any], properties: Mapping[str, Any]) -> Grid | None:
    """Return the grid of a record, or None if it is missing or impossible; the grid is then read from the file.

    Reference systems are codes or WKT. Other texts are not given to PROJ, which would take them for a file or URL and
    open it.

    Args:
        fields: Where shape and transform stand: an asset, or the properties.
        properties: Properties of the record, for the reference system.
    """
    code = next((source[key] for source in (fields, properties) for key in CRS_KEYS if source.get(key)), None)
    code = f"EPSG:{code}" if isinstance(code, int) else code
    shape, transform = _numbers(fields.get("proj:shape"), 2), _numbers(fields.get("proj:transform"), 6, 9)
    if not isinstance(code, str) or not (_CODE.fullmatch(code) or _WKT.fullmatch(code)) or not shape or not transform:
        return None
    return _possible_grid(code, shape, transform[:6])


def finite_number(value: Any) -> float | None:
    """Return a finite number as float; None for all else."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@lru_cache(maxsize=4096)
def _possible_grid(code: str, shape: tuple[float, ...], transform: tuple[float, ...]) -> Grid | None:
    """Return the grid, or None unless it has rows along x, whole pixels of some size, and a place on Earth."""
    height, width = shape
    affine = Affine(*transform)
    whole = all(side.is_integer() and 1 <= side <= MOST_PIXELS for side in shape)
    if not whole or affine.b or affine.d or affine.a < LEAST_PIXEL or abs(affine.e) < LEAST_PIXEL:
        return None
    try:
        grid = Grid(crs_wkt(code), affine, int(height), int(width))
        return grid if grid.bounds_lonlat() is not None else None
    except RasterError:
        return None


def _numbers(values: Any, *counts: int) -> tuple[float, ...]:
    """Return a list of one of these lengths if all are finite numbers; an empty one otherwise."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) not in counts:
        return ()
    numbers = [finite_number(value) for value in values]
    return tuple(number for number in numbers if number is not None) if None not in numbers else ()
