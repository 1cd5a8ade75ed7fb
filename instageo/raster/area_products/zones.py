"""Named polygons whose areas are measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instageo.errors import DataError, TableError, did_you_mean
from instageo.extras import required_by
from instageo.table import cell_text
from instageo.vectors.polygons import clean_polygon, move_to_lonlat
from instageo.vectors.vector_files import GEOJSON, GEOPARQUET, VECTOR, VectorRows, read_vector_file
from instageo.wording import plain_name

ADMINISTRATIVE = re.compile(r"ADM(\d)_EN|NAME_(\d)")
"""Columns with names of administrative units, by level, of the files of OCHA and GADM."""


@dataclass(frozen=True)
class Zone:
    """A polygon with a name.

    Attributes:
        name: Its name.
        geometry: Polygon or multipolygon (shapely) in longitude and latitude, WGS 84, whose edges are straight lines in
            these. It is repaired, and cut where it crosses 180 degrees of longitude: by longitudes beyond 180, or by
            edges that jump by more than 180.

    Raises:
        DataError: It is not a polygon, is empty, or its coordinates are not degrees.
    """

    name: str
    geometry: Any

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "geometry", clean_polygon(self.geometry))
        except DataError as error:
            raise DataError(f"zone {self.name}: {error}") from error


def read_zones(path: str | Path, name_field: str | None = None) -> list[Zone]:
    """Read zones from a file of polygons in any reference system.

    Without `name_field` the names are those of the column `name` in any case, else of the deepest administrative level
    (ADM2_EN, NAME_2), else of the first column of texts; zones without a name have their number in the file. A name
    that occurs again gets ` (2)`, ` (3)`, …. Control characters are left out, and long names cut.

    Args:
        path: GeoJSON, GeoPackage, shapefile, FlatGeobuf or GeoParquet.
        name_field: Column with the names.

    Raises:
        TableError: The file is missing, damaged or empty, has no such column, or a geometry is not a polygon.
        MissingExtraError: A package is not installed.
    """
    source = read_vector_file(path)
    if source is None:
        suffixes = ", ".join((*GEOJSON, *VECTOR, *GEOPARQUET))
        raise TableError(f"{path}: is not a file of polygons; expected GeoJSON or another of {suffixes}")
    names = _number_duplicates(_names(source, name_field))
    with required_by(f"{path}", "data"):
        import shapely  # noqa: F401
    zones = []
    for name, (number, geometry) in zip(names, source.geometries, strict=True):
        try:
            if isinstance(geometry, str):
                raise DataError(geometry)
            zones.append(Zone(name, move_to_lonlat(geometry, source.crs)))
        except DataError as error:
            sentence = str(error).removeprefix(f"zone {name}: ")
            raise TableError(f"{path}: feature {number} ({name}) {sentence}") from error
    return zones


def _names(source: VectorRows, name_field: str | None) -> list[str]:
    if name_field is not None and name_field not in source.columns:
        raise TableError(
            f"{source.table}: no column '{name_field}'; found {', '.join(source.columns) or 'none'}"
            f"{did_you_mean(name_field, source.columns)}"
        )
    column = name_field or _name_column(source.columns, [row for _, row in source.rows])
    return [plain_name(cell_text(row.get(column)) if column else "") or str(number) for number, row in source.rows]


def _name_column(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str | None:
    """Return the column that names zones; None without one."""
    called_name = [column for column in columns if column.lower() == "name"]
    levels = sorted(column for column in columns if ADMINISTRATIVE.fullmatch(column))
    texts = [column for column in columns if any(isinstance(row.get(column), str) for row in rows)]
    return next(iter([*called_name, *levels[::-1], *texts]), None)


def _number_duplicates(names: Sequence[str]) -> list[str]:
    result: list[str] = []
    given, used = set(names), set[str]()
    last_number: dict[str, int] = {}
    for name in names:
        unique, number = name, last_number.get(name, 1)
        while unique in used or (number > 1 and unique in given):
            number += 1
            unique = f"{name} ({number})"
        last_number[name] = number
        used.add(unique)
        result.append(unique)
    return result
