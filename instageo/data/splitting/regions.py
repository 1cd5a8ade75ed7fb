"""Regions of chips: those of a column, or the polygons that contain their centres."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.data.labelling.feature_rows import read_vector_rows
from instageo.errors import TableError
from instageo.extras import required_by
from instageo.raster.warp import WGS84, transform_coordinates
from instageo.table import cell_text
from instageo.vectors.vector_files import VectorRows

NAMES = ("name", "NAME", "region", "id", "ID")
"""Attributes that name polygons if none is chosen."""


def find_regions(path: str | Path, lonlat: NDArray[np.float64], name: str | None = None) -> list[str]:
    """Return the name of the polygon that contains each place; empty outside all, the first of several.

    Args:
        path: GeoJSON, GeoPackage, shapefile, or a table with a column of geometries.
        lonlat: Longitude and latitude, degrees, shape (N, 2).
        name: Attribute with the names of polygons; by default `name`, `region` or `id`, else their numbers.

    Raises:
        TableError: The file is unreadable, or a geometry is not a polygon.
        MissingExtraError: A package is not installed.
    """
    source = read_vector_rows(path)
    names, polygons = _polygon_names(source, name), _polygons(source)
    with required_by("--regions", "data"):
        import shapely
    xs, ys = transform_coordinates(WGS84, source.crs, lonlat[:, 0].tolist(), lonlat[:, 1].tolist())
    inside = np.isfinite(xs) & np.isfinite(ys)
    points = shapely.points(np.where(inside, xs, 0), np.where(inside, ys, 0))
    point, polygon = shapely.STRtree(polygons).query(points, predicate="intersects")
    result = [""] * len(lonlat)
    for row, number in sorted(zip(point.tolist(), polygon.tolist(), strict=True), reverse=True):
        if inside[row]:
            result[row] = names[number]
    return result


def folder_names(regions: Sequence[str]) -> dict[str, str]:
    """Return the name of a folder for each region: its letters and digits, with a number where two would be equal."""
    result: dict[str, str] = {}
    for region in regions:
        plain = unicodedata.normalize("NFC", region)
        base = re.sub(r"[^\w.-]+", "_", plain).strip("._")[:80] or "region"
        name, number = f"region_{base}", 2
        while name.lower() in {used.lower() for used in result.values()}:
            name, number = f"region_{base}_{number}", number + 1
        result[region] = name
    return result


def _polygon_names(source: VectorRows, name: str | None) -> list[str]:
    if name is not None and name not in source.columns:
        raise TableError(f"{source.table}: no attribute '{name}'; found {', '.join(source.columns) or 'none'}")
    chosen = name or next((column for column in NAMES if column in source.columns), None)
    return [(cell_text(row.get(chosen)) if chosen else "") or f"polygon {number}" for number, row in source.rows]


def _polygons(source: VectorRows) -> list[Any]:
    import shapely

    polygons = []
    for number, geometry in source.geometries:
        if isinstance(geometry, str) or geometry is None or geometry.geom_type not in ("Polygon", "MultiPolygon"):
            geometry_type = geometry if isinstance(geometry, str) else getattr(geometry, "geom_type", "no geometry")
            raise TableError(f"{source.table}: feature {number}: {geometry_type}; expected a polygon")
        polygons.append(geometry if geometry.is_valid else shapely.make_valid(geometry))
    return polygons
