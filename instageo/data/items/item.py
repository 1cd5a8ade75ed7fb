"""Scenes of a catalogue: what the program reads from their STAC records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from affine import Affine

from instageo.errors import DataError
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt


@dataclass(frozen=True)
class Asset:
    """A file of an item.

    Attributes:
        href: Address as the catalogue gives it, without a signature.
        grid: Grid of its pixels; None if the record does not say.
        scale: Scale that the record gives for its values; None without one.
        offset: Offset that the record gives for its values; None without one.
    """

    href: str
    grid: Grid | None = None
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True)
class Item:
    """A scene of a catalogue.

    Attributes:
        id: Identity in its collection.
        collection: Name of the collection.
        time: Time of acquisition, UTC.
        platform: Satellite, such as `sentinel-2a`; empty if the record does not say.
        tile: MGRS tile without a leading T, or path and row of Landsat; empty if the record does not say.
        baseline: Processing baseline of Sentinel-2 or version of the processor; empty if the record does not say.
        cloud_percent: Cloud cover; None if the record does not say.
        created: Time of processing as text that sorts by time; empty if the record does not say.
        bounds: West, south, east, north, degrees.
        geometry: Footprint, GeoJSON.
        assets: Files by their key.
        properties: All properties of the record.
        record: The STAC record, without signatures.
    """

    id: str
    collection: str
    time: datetime
    platform: str
    tile: str
    baseline: str
    cloud_percent: float | None
    created: str
    bounds: tuple[float, float, float, float]
    geometry: Mapping[str, Any]
    assets: Mapping[str, Asset]
    properties: Mapping[str, Any] = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    def __hash__(self) -> int:
        return hash((self.collection, self.id))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and (self.collection, self.id) == (other.collection, other.id)


def item_from_stac(record: Mapping[str, Any]) -> Item:
    """Return the item of a STAC record (1.0 or 1.1).

    Raises:
        DataError: It has no identity, time or geometry.
    """
    properties: Mapping[str, Any] = record.get("properties") or {}
    name = str(record.get("id") or "")
    when = properties.get("datetime") or properties.get("start_datetime")
    geometry = record.get("geometry")
    if not name or not when or not isinstance(geometry, Mapping):
        raise DataError(f"item {name or 'without id'} of the catalogue has no datetime, geometry or id")
    try:
        time = parse_time(str(when))
    except ValueError as error:
        raise DataError(f"item {name} of the catalogue has datetime={when}; expected an ISO time") from error
    grid = _grid(properties, properties)
    assets = {
        str(key): _asset(asset, properties, grid)
        for key, asset in (record.get("assets") or {}).items()
        if isinstance(asset, Mapping) and asset.get("href")
    }
    cloud = properties.get("eo:cloud_cover")
    return Item(
        id=name,
        collection=str(record.get("collection") or ""),
        time=time,
        platform=str(properties.get("platform") or "").lower(),
        tile=_tile(properties),
        baseline=str(properties.get("s2:processing_baseline") or properties.get("processing:version") or ""),
        cloud_percent=float(cloud) if isinstance(cloud, (int, float)) and math.isfinite(cloud) else None,
        created=str(properties.get("updated") or properties.get("created") or ""),
        bounds=_bounds(record),
        geometry=geometry,
        assets=assets,
        properties=properties,
        record=record,
    )


def parse_time(text: str) -> datetime:
    """Return an ISO time in UTC; without a zone it is UTC.

    Raises:
        ValueError: It is not an ISO time.
    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _asset(asset: Mapping[str, Any], properties: Mapping[str, Any], item_grid: Grid | None) -> Asset:
    bands = asset.get("raster:bands") or asset.get("bands") or [{}]
    first = bands[0] if isinstance(bands, list) and bands and isinstance(bands[0], Mapping) else {}
    values = {**first, **{key: asset[key] for key in ("raster:scale", "raster:offset") if key in asset}}
    own = any(key in asset for key in ("proj:shape", "proj:transform"))
    return Asset(
        href=str(asset["href"]),
        grid=_grid(asset, properties) if own else item_grid,
        scale=_number(values.get("scale", values.get("raster:scale"))),
        offset=_number(values.get("offset", values.get("raster:offset"))),
    )


def _grid(fields: Mapping[str, Any], properties: Mapping[str, Any]) -> Grid | None:
    """Return the grid of the fields of the projection extension, or None if one is missing."""
    keys = ("proj:code", "proj:epsg", "proj:wkt2")
    code = next((source[key] for source in (fields, properties) for key in keys if source.get(key)), None)
    shape: Any = fields.get("proj:shape")
    transform: Any = fields.get("proj:transform")
    if code is None or not _numbers(shape, 2) or not (_numbers(transform, 6) or _numbers(transform, 9)):
        return None
    crs = crs_wkt(f"EPSG:{code}" if isinstance(code, int) else str(code))
    return Grid(crs, Affine(*map(float, transform[:6])), int(shape[0]), int(shape[1]))


def _numbers(values: Any, count: int) -> bool:
    return isinstance(values, Sequence) and len(values) == count and all(_number(value) is not None for value in values)


def _number(value: Any) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if ok else None


def _tile(properties: Mapping[str, Any]) -> str:
    """Return the MGRS tile, or path and row of Landsat."""
    code = properties.get("grid:code") or properties.get("s2:mgrs_tile")
    if code:
        return str(code).removeprefix("MGRS-").removeprefix("T")
    zone, band, square = (properties.get(f"mgrs:{key}") for key in ("utm_zone", "latitude_band", "grid_square"))
    if zone and band and square:
        return f"{int(zone):02}{band}{square}"
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    return f"{int(path):03}{int(row):03}" if path and row else ""


def _bounds(record: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return the bounding box; east may be less than west where it crosses longitude 180."""
    box = record.get("bbox")
    if isinstance(box, Sequence) and len(box) in (4, 6):
        west, south, east, north = box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]
        return float(west), float(south), float(east), float(north)
    points: list[tuple[float, float]] = []
    stack: list[Any] = [record["geometry"].get("coordinates", [])]
    while stack:
        part = stack.pop()
        if isinstance(part, Sequence) and part and isinstance(part[0], (int, float)):
            points.append((float(part[0]), float(part[1])))
        elif isinstance(part, Sequence):
            stack.extend(part)
    if not points:
        raise DataError(f"item {record.get('id')} of the catalogue has an empty geometry")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)
