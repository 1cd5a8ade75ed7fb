"""Lists of items as Parquet, in the manner of stac-geoparquet: one row for each item, properties as columns."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import shapely

from instageo.errors import DataError
from instageo.extras import required_by

with required_by("lists of items as Parquet", "data"):
    import pyarrow.parquet as pq
    from pyarrow import lib

HEAD = b"instageo"
"""Key of the file's metadata that holds catalogue, collections, queries and time of the search."""

OWN = ("type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection")
"""Members of an item that are no properties."""

BOX = ("xmin", "ymin", "xmax", "ymax")

GEO = {
    "version": "1.1.0",
    "primary_column": "geometry",
    "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
}


def table_bytes(records: Sequence[Mapping[str, Any]], head: Mapping[str, Any], path: Path) -> bytes:
    """Return the bytes of a Parquet file.

    Args:
        records: STAC records, whose values of one name have one type.
        head: What is written with them.
        path: Where they go, for messages.

    Raises:
        DataError: Values of one name have different types.
    """
    try:
        table = lib.Table.from_pylist([_row(record) for record in records])
    except (lib.ArrowInvalid, lib.ArrowTypeError) as error:
        raise DataError(
            f"{path}: the records differ in the types of their values and do not fit in a table; write a .json file"
        ) from error
    metadata = {HEAD: json.dumps(head, sort_keys=True).encode(), b"geo": json.dumps(GEO).encode()}
    target = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), target, compression="zstd")
    return target.getvalue()


def read_table(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the STAC records of a Parquet file, and what is written with them.

    Raises:
        ValueError: It is not a Parquet file, or its geometries are no WKB.
    """
    try:
        table = pq.read_table(path)
        head = json.loads((table.schema.metadata or {}).get(HEAD, b"{}"))
        return [_record(row) for row in table.to_pylist()], head
    except lib.ArrowException as error:
        raise ValueError("not stac-geoparquet") from error


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {**(record.get("properties") or {}), **{key: record[key] for key in OWN if key in record}}
    row["geometry"] = shapely.to_wkb(shapely.geometry.shape(record["geometry"]))
    box = record.get("bbox") or ()
    if len(box) in (4, 6):
        corners = [*box[:2], *box[len(box) // 2 :][:2]]
        row["bbox"] = dict(zip(BOX, map(float, corners), strict=True))
    else:
        row.pop("bbox", None)
    return {key: value for key, value in sorted(row.items()) if value not in ({}, None) and key != "links"}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    row = {str(key): _plain(value) for key, value in row.items() if value is not None}
    own = {key: row.pop(key) for key in OWN if key in row}
    shape = shapely.from_wkb(own.get("geometry"), on_invalid="ignore")
    own["geometry"] = None if shape is None else shapely.geometry.mapping(shape)
    if isinstance(own.get("bbox"), dict):
        own["bbox"] = [own["bbox"].get(key) for key in BOX]
    properties = {**(row.pop("properties", None) or {}), **row}
    return {"type": "Feature", "stac_version": "1.0.0", "links": [], **own, "properties": properties}


def _plain(value: Any) -> Any:
    """Return values as JSON has them: times as text, and no members that only other rows have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        time = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return time.isoformat().replace("+00:00", "Z")
    return value
