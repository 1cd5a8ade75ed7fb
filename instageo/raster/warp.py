"""Coordinates between reference systems."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform
from rasterio.warp import transform_bounds as rasterio_bounds

from instageo.errors import RasterError

GDAL_ERRORS = (RasterioError, CRSError, CPLE_BaseError)
"""Errors of GDAL and PROJ. The last are GDAL's own, which some calls let through, and which have no public name."""

WGS84 = "EPSG:4326"

Bounds = tuple[float, float, float, float]
"""West, south, east and north, or left, bottom, right and top."""

FARTHEST = 1e12
"""Coordinates beyond this, in any unit, have no place on Earth; PROJ may take minutes or for ever for such ones."""


@lru_cache(maxsize=1024)
def crs_wkt(text: str) -> str:
    """Return a coordinate reference system as WKT.

    Args:
        text: `EPSG:32632`, WKT, or another form that PROJ reads.

    Raises:
        RasterError: It is unknown.
    """
    try:
        with rasterio.Env():  # GDAL writes its own message to the terminal otherwise
            return str(CRS.from_user_input(text).to_wkt())
    except GDAL_ERRORS as error:
        raise RasterError(f"'{text[:60]}' is not a coordinate reference system; use a code like EPSG:32632") from error


def transform_points(
    source: CRS, target: CRS, xs: Sequence[float] | NDArray[np.float64], ys: Sequence[float] | NDArray[np.float64]
) -> tuple[list[float], list[float]]:
    """Return x and y of points in another reference system; infinite where a point has no place in it.

    Longitude or easting comes first, also in systems whose own order is another.

    Raises:
        GDAL_ERRORS: PROJ cannot transform between the two.
    """
    points = np.array([xs, ys], dtype=np.float64)
    points[:, ~(np.abs(points) <= FARTHEST).all(axis=0)] = np.inf
    moved_x, moved_y = transform(source, target, *points)
    return moved_x, moved_y


def transform_coordinates(
    source: str, target: str, xs: Sequence[float], ys: Sequence[float]
) -> tuple[list[float], list[float]]:
    """Return x and y of points in another reference system; infinite where a point has no place in it.

    Longitude or easting comes first, also in systems whose own order is another.

    Raises:
        RasterError: PROJ cannot transform between the two.
    """
    try:
        first, second = CRS.from_user_input(source), CRS.from_user_input(target)
        target_x, target_y = transform_points(first, second, list(xs), list(ys))
    except GDAL_ERRORS as error:
        raise RasterError(f"no transformation from {source[:60]} to {target[:60]} ({error})") from error
    return list(target_x), list(target_y)


@lru_cache(maxsize=1024)
def crs_code(wkt: str) -> str:
    """Return a short name of a coordinate reference system: its EPSG code, or the first letters of its name."""
    crs = CRS.from_wkt(wkt)
    code = crs.to_epsg()
    return str(code) if code else "".join(filter(str.isalnum, crs.to_dict().get("proj", "crs")))[:12]


@lru_cache(maxsize=1024)
def crs_label(wkt: str) -> str:
    """Return a coordinate reference system as `EPSG:32632`, or its name without a code."""
    crs = CRS.from_wkt(wkt)
    authority = crs.to_authority()
    name = wkt.partition('"')[2].partition('"')[0]
    return ":".join(authority) if authority else name


@lru_cache(maxsize=1024)
def is_geographic(text: str) -> bool:
    """Return whether coordinates of a reference system are longitudes and latitudes."""
    return bool(CRS.from_wkt(crs_wkt(text)).is_geographic)


@lru_cache(maxsize=1024)
def linear_unit_m(text: str) -> float:
    """Return how many metres the unit of a projected reference system has."""
    return float(CRS.from_wkt(crs_wkt(text)).linear_units_factor[1])


@lru_cache(maxsize=1024)
def same_crs(first: str, second: str) -> bool:
    """Return whether two reference systems, each as WKT, are the same."""
    return first == second or bool(CRS.from_wkt(first) == CRS.from_wkt(second))


def transform_bounds(source: str, target: str, bounds: Bounds) -> Bounds:
    """Return the bounds of bounds in another reference system, in which their sides may be curved.

    Raises:
        RasterError: They have no place in it.
    """
    try:
        first, second = CRS.from_user_input(source), CRS.from_user_input(target)
        is_far = max(map(abs, bounds)) > FARTHEST
        moved: Bounds = (math.inf,) * 4 if is_far else rasterio_bounds(first, second, *bounds)
    except GDAL_ERRORS as error:
        raise RasterError(f"the bounds {bounds} have no place in {target[:60]} ({error})") from error
    if not all(map(math.isfinite, moved)):
        raise RasterError(f"the bounds {bounds} have no place in {target[:60]}; check their reference system")
    return moved
