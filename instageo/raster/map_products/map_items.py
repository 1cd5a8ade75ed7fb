"""STAC Items of finished maps, so that catalogues and GIS programs find them (STAC 1.1)."""

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from rasterio.crs import CRS

from instageo.errors import ConfigError, RasterError
from instageo.files import write_text
from instageo.geodesy.antimeridian import Outline, cut_outline
from instageo.raster.grid import Grid
from instageo.raster.map_products.finished_map import FinishedMap, open_map
from instageo.raster.map_products.ground_scale import ground_jacobian
from instageo.raster.map_products.stac_fields import EXTENSIONS, classification_name, file_fields
from instageo.raster.warp import WGS84, transform_coordinates

STAC_VERSION = "1.1.0"

GEOTIFF, COG = "image/tiff; application=geotiff", "image/tiff; application=geotiff; profile=cloud-optimized"

SIDE_POINTS = 8
"""Points of a footprint on each side of a map, whose sides are curves in longitude and latitude."""


@dataclass(frozen=True)
class MapRecord:
    """A map, and what its file does not say.

    Attributes:
        path: The map.
        start: When its images were taken, or the first of them; UTC if it has no time zone.
        end: When the last of them was taken; None if there is one time alone.
        cloud_optimized: Whether it is a Cloud-Optimized GeoTIFF.
        properties: Further properties of the Item, such as those of the model (`mlm:name`, …) that made the map.
    """

    path: Path
    start: datetime
    end: datetime | None = None
    cloud_optimized: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)


def write_item_collection(maps: Sequence[MapRecord], out_json: Path) -> None:
    """Write the STAC Items of maps as an ItemCollection; the paths in it are relative to its folder.

    Raises:
        ConfigError: A map ends before it starts.
        RasterError: A map cannot be read.
        WriteError: The disk refuses the file.
    """
    stems = Counter(record.path.stem for record in maps)
    items = []
    for record in maps:
        relative = Path(os.path.relpath(record.path, out_json.parent))
        item_id = record.path.stem if stems[record.path.stem] == 1 else "-".join(relative.with_suffix("").parts)
        items.append(build_item(record, item_id, quote(relative.as_posix())))
    collection = {"type": "FeatureCollection", "features": items, "links": []}
    write_text(out_json, json.dumps(collection, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def build_item(record: MapRecord, item_id: str, href: str) -> dict[str, Any]:
    """Return the STAC Item of a map.

    Args:
        record: The map.
        item_id: Identifier of the Item.
        href: Where the map is, relative to the Item.

    Raises:
        ConfigError: The map ends before it starts.
        RasterError: The map cannot be read.
    """
    with open_map(record.path) as file:
        outline = _find_outline(file.grid)
        properties = _times(record) | _projection(file.grid) | dict(record.properties)
        asset: dict[str, Any] = {
            "href": href,
            "type": COG if record.cloud_optimized else GEOTIFF,
            "title": record.path.name,
        }
        asset |= {"roles": ["data"]} | _file_fields(record.path) | _layer_fields(file)
    prefixes = {name.partition(":")[0] for name in [*properties, *asset, *asset["bands"][0]] if ":" in name}
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [url for prefix, url in EXTENSIONS.items() if prefix in prefixes],
        "id": item_id,
        "geometry": outline.geometry if outline else None,
    }
    if outline:
        item["bbox"] = list(outline.bbox)
    return item | {"properties": properties, "links": [], "assets": {"map": asset}}


def _times(record: MapRecord) -> dict[str, Any]:
    if record.end is None:
        return {"datetime": _format_time(record.start)}
    start, end = _as_utc(record.start), _as_utc(record.end)
    if end < start:
        raise ConfigError(f"{record.path}: ends at {end} before it starts at {start}; exchange the two times")
    return {"datetime": None, "start_datetime": _format_time(start), "end_datetime": _format_time(end)}


def _as_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _format_time(time: datetime) -> str:
    return _as_utc(time).isoformat().replace("+00:00", "Z")


def _projection(grid: Grid) -> dict[str, Any]:
    shape: dict[str, Any] = {"proj:shape": list(grid.shape)}
    if grid.crs is None or grid.transform.is_identity:
        return {"proj:code": None} | shape
    crs = CRS.from_wkt(grid.crs)
    authority = crs.to_authority()
    fields: dict[str, Any] = {"proj:code": ":".join(authority) if authority else None}
    if not authority:
        fields["proj:wkt2"] = crs.to_wkt(version="WKT2_2019")
    return fields | shape | {"proj:transform": [float(number) for number in grid.transform[:6]]}


def _find_outline(grid: Grid) -> Outline | None:
    """Return the footprint of a map; None if it is nowhere on Earth."""
    if grid.crs is None or grid.transform.is_identity:
        return None
    steps = np.linspace(0, 1, SIDE_POINTS, endpoint=False)
    rows = np.concatenate([0 * steps, steps, 0 * steps + 1, 1 - steps]) * grid.height
    columns = np.concatenate([steps, 0 * steps + 1, 1 - steps, 0 * steps]) * grid.width
    try:
        lonlat = transform_coordinates(grid.crs, WGS84, *grid.to_crs(rows.tolist(), columns.tolist()))
    except RasterError:
        return None
    points = list(zip(*lonlat, strict=True))
    return cut_outline(points) if all(map(math.isfinite, [*lonlat[0], *lonlat[1]])) else None


def _file_fields(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return file_fields(path.stat().st_size, digest)


def _layer_fields(file: FinishedMap) -> dict[str, Any]:
    """Return the bands of the map, and its classes."""
    info, no_data = file.info, file.info.no_data_value
    common: dict[str, Any] = {"data_type": info.dtype}
    if no_data is not None:
        common["nodata"] = "nan" if math.isnan(no_data) else int(no_data) if float(no_data).is_integer() else no_data
    common["raster:sampling"] = "area"
    jacobian = ground_jacobian(file.grid)
    if jacobian is not None:
        common["raster:spatial_resolution"] = float(f"{math.sqrt(abs(np.linalg.det(jacobian))):.6g}")
    names = [name or f"band_{layer}" for layer, name in enumerate(info.descriptions, start=1)]
    fields: dict[str, Any] = {"bands": [{"name": name} | common for name in names]}
    if file.has_classes and file.class_names:
        classes: list[dict[str, Any]] = [
            {"value": value, "name": classification_name(name), "title": name, "description": name}
            for value, name in enumerate(file.class_names)
        ]
        for description in classes:
            if description["value"] in file.class_colors:
                description["color_hint"] = "{:02X}{:02X}{:02X}".format(*file.class_colors[description["value"]])
        if no_data is not None:
            classes.append({"value": int(no_data), "name": "no-data", "description": "no data", "nodata": True})
        fields["classification:classes"] = classes
    return fields
