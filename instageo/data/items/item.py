"""Scenes of a catalogue: what the program reads from their STAC records."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from instageo.data.items.record_grid import finite_number, record_grid
from instageo.errors import DataError
from instageo.raster.grid import Grid

MOST_ID = 255
"""Longest identity of an item, characters."""

_TILE = re.compile(r"[A-Za-z0-9_-]{1,40}")

MOST_HREF = 8000
"""Longest address of a file, characters."""


Bounds = tuple[float, float, float, float]
"""West, south, east, north, degrees."""


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
        cloud_percent: Cloud cover, 0 to 100; None if the record does not say.
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
    bounds: Bounds
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

    Assets whose address is not text in one line are left out.

    Raises:
        DataError: It has no identity, time or place, or one that cannot be.
    """
    name = record.get("id") if isinstance(record, Mapping) else None
    if not printable(name, MOST_ID):
        raise DataError(
            f"an item of the catalogue has id={str(name)[:60]!r}; expected a text in one line of at most {MOST_ID} "
            "characters"
        )
    try:
        return _item(str(name), record)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise DataError(f"item {name} of the catalogue is damaged ({_short(error)}); expected a STAC item") from error


def printable(value: object, limit: int) -> str:
    """Return a text or number as text in one line; empty if it has line breaks or control characters, or is too long.

    Args:
        value: What a record says.
        limit: Most characters.
    """
    text = str(value) if isinstance(value, (str, int, float)) else ""
    return text if text.isprintable() and len(text) <= limit else ""


def _item(name: str, record: Mapping[str, Any]) -> Item:
    properties: Mapping[str, Any] = record.get("properties") or {}
    when = properties.get("datetime") or properties.get("start_datetime")
    geometry = record.get("geometry")
    if not when or not isinstance(geometry, Mapping):
        raise DataError(f"item {name} of the catalogue has no datetime or no geometry")
    try:
        time = parse_time(str(when))
    except (ValueError, OverflowError) as error:
        raise DataError(f"item {name} of the catalogue has datetime={str(when)[:60]}; expected an ISO time") from error
    grid = record_grid(properties, properties)
    assets = {
        str(key): _asset(asset, properties, grid)
        for key, asset in (record.get("assets") or {}).items()
        if isinstance(asset, Mapping) and isinstance(asset.get("href"), str) and printable(asset["href"], MOST_HREF)
    }
    return Item(
        id=name,
        collection=printable(record.get("collection"), MOST_ID),
        time=time,
        platform=printable(properties.get("platform"), MOST_ID).lower(),
        tile=_tile(properties),
        baseline=printable(properties.get("s2:processing_baseline") or properties.get("processing:version"), MOST_ID),
        cloud_percent=_percent(properties.get("eo:cloud_cover")),
        created=str(properties.get("updated") or properties.get("created") or ""),
        bounds=_bounds(name, record, geometry),
        geometry=geometry,
        assets=assets,
        properties=properties,
        record=record,
    )


def _percent(value: Any) -> float | None:
    """Return a number of 0 to 100, None for all else; Landsat writes -1 where clouds were not looked for."""
    number = finite_number(value)
    return number if number is not None and 0 <= number <= 100 else None


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
        grid=record_grid(asset, properties) if own else item_grid,
        scale=finite_number(values.get("scale", values.get("raster:scale"))),
        offset=finite_number(values.get("offset", values.get("raster:offset"))),
    )


def _tile(properties: Mapping[str, Any]) -> str:
    """Return the MGRS tile, or path and row of Landsat; empty without one, or if it cannot be part of a file name."""
    code = properties.get("grid:code") or properties.get("s2:mgrs_tile")
    if code:
        tile = printable(code, MOST_ID).removeprefix("MGRS-").removeprefix("T")
        return tile if _TILE.fullmatch(tile) else ""
    zone, band, square = (properties.get(f"mgrs:{key}") for key in ("utm_zone", "latitude_band", "grid_square"))
    if zone and band and square:
        tile = f"{int(zone):02}{band}{square}"
        return tile if _TILE.fullmatch(tile) else ""
    path, row = properties.get("landsat:wrs_path"), properties.get("landsat:wrs_row")
    return f"{int(path):03}{int(row):03}" if path and row else ""


def _bounds(name: str, record: Mapping[str, Any], geometry: Mapping[str, Any]) -> Bounds:
    """Return the bounding box, degrees; east may be less than west where it crosses longitude 180.

    Raises:
        DataError: The geometry is empty or damaged, or the box does not lie on Earth.
    """
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        outline: Sequence[float] = shape(geometry).bounds
    except ShapelyError as error:
        raise DataError(f"item {name} of the catalogue has a damaged geometry ({_short(error)})") from error
    box = record.get("bbox")
    given = isinstance(box, Sequence) and len(box) in (4, 6)
    own = [box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]] if given and box is not None else outline
    west, south, east, north = map(float, own)
    for x, y in ((west, south), (east, north), (outline[0], outline[1]), (outline[2], outline[3])):
        if not (abs(x) <= 360 and abs(y) <= 90):
            raise DataError(
                f"item {name} of the catalogue lies at longitude {x:g}, latitude {y:g}; expected a geometry and a bbox "
                "in degrees"
            )
    return west, south, east, north


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:100]
