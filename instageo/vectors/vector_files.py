"""Rows and geometries of vector files: GeoJSON, GeoPackage, shapefile, FlatGeobuf and GeoParquet."""

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from instageo.errors import TableError
from instageo.extras import required_by
from instageo.raster.warp import WGS84
from instageo.table import cell_text

GEOJSON = (".geojson", ".json")
VECTOR = (".gpkg", ".shp", ".fgb")
GEOPARQUET = (".parquet", ".pq", ".geoparquet")

GEOMETRY_TYPES = ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
"""Types of GeoJSON files that hold one geometry alone."""


@dataclass(frozen=True)
class VectorRows:
    """Features as a file has them.

    Attributes:
        table: The file, for messages.
        crs: Reference system; longitude or easting comes first.
        columns: Names of attributes.
        rows: Number, from 1, and attributes.
        geometries: Number, and the geometry (shapely), None without one, or the sentence that says what is wrong.
        content: The bytes of the file.
        notes: What was detected, for the user.
    """

    table: str
    crs: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[int, Mapping[str, object]]]
    geometries: Sequence[tuple[int, Any]]
    content: bytes = field(repr=False)
    notes: tuple[str, ...] = ()


def is_vector(path: str | Path) -> bool:
    """Return whether a file holds polygons, by its name."""
    return Path(path).suffix.lower() in (*GEOJSON, *VECTOR)


def read_vector_file(path: str | Path) -> VectorRows | None:
    """Read the features of a file.

    Args:
        path: GeoJSON, GeoPackage, shapefile, FlatGeobuf or GeoParquet.

    Returns:
        None if it is a file of another kind, such as a table in Parquet or records in JSON.

    Raises:
        TableError: The file is missing, unreadable or empty, or has no reference system.
        MissingExtraError: A package is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in VECTOR:
        return _read_with_gdal(path)
    if suffix in GEOJSON:
        return _read_geojson(path)
    if suffix in GEOPARQUET:
        return _read_geoparquet(path)
    return None


def parse_geometry(value: object) -> Any:
    """Return the geometry of a text, None for an empty one, or the sentence that says what is wrong."""
    text = cell_text(value)
    if not text:
        return None
    with required_by("a geometry", "data"):
        import shapely
    try:
        return shapely.from_geojson(text) if text.startswith("{") else shapely.from_wkt(text)
    except shapely.lib.ShapelyError:
        return f"the geometry '{text[:40]}' is neither WKT nor GeoJSON"


def _read_geojson(path: Path) -> VectorRows | None:
    """Read a GeoJSON file; None for JSON of another kind."""
    content = _content(path)
    try:
        parsed = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "too many levels" if isinstance(error, RecursionError) else error
        raise TableError(f"{path}: cannot be read as JSON ({reason}); expected GeoJSON") from error
    if isinstance(parsed, dict) and parsed.get("type") in GEOMETRY_TYPES:
        parsed = {"type": "Feature", "geometry": parsed}
    if not isinstance(parsed, dict) or parsed.get("type") not in ("FeatureCollection", "Feature"):
        if path.suffix.lower() == ".json":
            return None
        raise TableError(f"{path}: is not GeoJSON; expected a FeatureCollection with geometries and properties")
    features = [parsed] if parsed["type"] == "Feature" else parsed.get("features") or []
    if not isinstance(features, list) or not all(isinstance(feature, dict) for feature in features):
        raise TableError(f"{path}: its features are not a list of objects; expected a FeatureCollection")
    rows = [(number, feature.get("properties") or {}) for number, feature in enumerate(features, 1)]
    geometries = [(number, _shape(feature.get("geometry"))) for number, feature in enumerate(features, 1)]
    columns = tuple(dict.fromkeys(name for _, row in rows for name in row))
    return _checked(VectorRows(str(path), _geojson_crs(path, parsed), columns, rows, geometries, content))


def _geojson_crs(path: Path, parsed: Mapping[str, Any]) -> str:
    """Return the reference system of a GeoJSON file: that of its former member `crs`, else WGS 84."""
    name = str(((parsed.get("crs") or {}).get("properties") or {}).get("name") or "")
    if not name or "CRS84" in name:
        return WGS84
    code = re.search(r"EPSG:.*?(\d+)$", name)
    if code is None:
        raise TableError(f"{path}: its crs '{name[:60]}' is unknown; expected a name such as EPSG:32632")
    return f"EPSG:{code[1]}"


def _read_with_gdal(path: Path) -> VectorRows:
    content = _content(path)
    with required_by(str(path), "vector"):
        import pyogrio
    with required_by(str(path), "data"):
        import shapely
    try:
        layers = [str(name) for name in pyogrio.list_layers(path)[:, 0]]
        metadata, _, geometries, values = pyogrio.raw.read(path, layer=layers[0])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, IndexError) as error:
        raise TableError(f"{path}: cannot be read ({error}); expected a GeoPackage or a shapefile") from error
    if not metadata["crs"]:
        raise TableError(f"{path}: has no coordinate reference system; for a shapefile, its .prj file is missing")
    columns = tuple(str(name) for name in metadata["fields"])
    plain = [_plain(column) for column in values]
    cells: Sequence[Sequence[object]] = list(zip(*plain, strict=True)) or [()] * len(geometries)
    rows = [(number, dict(zip(columns, row, strict=True))) for number, row in enumerate(cells, 1)]
    shapes = list(enumerate(shapely.from_wkb(geometries), 1))
    notes = (f"{path}: only the layer {layers[0]} of {', '.join(layers)} is read",) if len(layers) > 1 else ()
    return _checked(VectorRows(str(path), metadata["crs"], columns, rows, shapes, content, notes))


def _read_geoparquet(path: Path) -> VectorRows | None:
    """Read a GeoParquet file; None for Parquet without its metadata."""
    content = _content(path)
    with required_by(str(path), "data"):
        import shapely
        from pyarrow import lib, parquet
    try:
        file = parquet.ParquetFile(io.BytesIO(content))
        table, metadata = file.read(), file.metadata.metadata or {}
    except (lib.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise TableError(f"{path}: cannot be read as Parquet ({reason}); expected a GeoParquet file") from error
    if b"geo" not in metadata:
        return None
    try:
        geo = json.loads(metadata[b"geo"])
        primary = geo["primary_column"]
        column = geo["columns"][primary]
        if column["encoding"] != "WKB":
            raise ValueError(f"its geometries are encoded as {column['encoding']}")
        shapes = shapely.from_wkb(table.column(primary).to_pylist())
        crs = json.dumps(column["crs"]) if column.get("crs") else WGS84 if "crs" not in column else ""
    except (ValueError, KeyError, TypeError, shapely.errors.ShapelyError) as error:
        raise TableError(f"{path}: cannot be read as GeoParquet ({error}); expected geometries as WKB") from error
    if not crs:
        raise TableError(f"{path}: has no coordinate reference system; write the polygons again with one")
    columns = tuple(name for name in table.column_names if name != primary)
    rows = list(enumerate(table.select(list(columns)).to_pylist() or [{} for _ in shapes], 1))
    return _checked(VectorRows(str(path), crs, columns, rows, list(enumerate(shapes, 1)), content))


def _plain(column: Any) -> list[object]:
    """Return the values of a column as Python's own types."""
    if np.issubdtype(column.dtype, np.datetime64):
        column = column.astype("datetime64[us]")
    return list(column.tolist())


def _shape(geometry: Any) -> Any:
    return None if geometry is None else parse_geometry(json.dumps(geometry))


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise TableError(f"{path}: does not exist; looked for {path.absolute()}")
    return path.read_bytes()


def _checked(rows: VectorRows) -> VectorRows:
    if not rows.rows:
        raise TableError(f"{rows.table}: has no features; expected polygons")
    return rows
