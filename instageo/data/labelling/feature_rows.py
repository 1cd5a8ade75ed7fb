"""Rows and geometries of vector files, and of tables with a column of geometries."""

from pathlib import Path

from instageo.data.observations.columns import find_columns
from instageo.data.observations.table_rows import READERS, read_rows
from instageo.errors import TableError
from instageo.raster.warp import WGS84, crs_wkt
from instageo.vectors.vector_files import GEOJSON, VECTOR, VectorRows, parse_geometry, read_vector_file


def read_vector_rows(path: str | Path, crs: str = WGS84) -> VectorRows:
    """Read features.

    Args:
        path: GeoJSON, GeoPackage, shapefile, FlatGeobuf, GeoParquet, or a table with a column of geometries as WKT or
            GeoJSON.
        crs: Reference system of the geometries of tables.

    Raises:
        TableError: The file is missing, unreadable or empty, or has no reference system.
        MissingExtraError: A package is not installed.
    """
    path = Path(path)
    rows = read_vector_file(path)
    if rows is not None:
        return rows
    if path.suffix.lower() in READERS:
        return _read_table(path, crs)
    expected = ", ".join((*GEOJSON, *VECTOR, *READERS))
    raise TableError(f"{path}: the file name ends in '{path.suffix}'; expected one of {expected}")


def _read_table(path: Path, crs: str) -> VectorRows:
    table = read_rows(path)
    crs_wkt(crs)
    columns = find_columns(table.table, table.columns, (("geometry",),))
    geometries = [(number, parse_geometry(row.get(columns["geometry"]))) for number, row in table.rows]
    names = tuple(name for name in table.columns if name != columns["geometry"])
    return VectorRows(table.table, crs, names, table.rows, geometries, table.content, table.notes)
