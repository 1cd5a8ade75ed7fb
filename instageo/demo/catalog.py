"""A small catalogue made of the demo's scene: two tiles that overlap, three dates, one file for each band.

The scene is of one day. The second and third date are derived from it, darker and brighter, so that chips of several
dates can be tried offline; their records say so.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from instageo.files import write_text
from instageo.raster.grid import Grid, Raster, crop
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster

COLLECTION = "raleigh-landsat7"

BANDS = ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")
"""Bands of the scene; the near infrared band of ETM+ is used as NIR_NARROW."""

DATES = {"2000-05-01": 1.0, "2000-05-17": 0.94, "2000-06-02": 1.06}
"""Dates of the catalogue, and the factor from the scene's values. Its true day in 2000 is not known."""

TILE_COLUMNS = {"WEST": (0, 300), "EAST": (189, 489)}
"""First and last column of each tile; 111 columns are in both."""

ITEMS = "items.json"


def make_catalog(
    scene: Path,
    folder: Path,
    *,
    tiles: Mapping[str, tuple[int, int]] | None = None,
    dates: Mapping[str, float] | None = None,
) -> Path:
    """Write the files of the catalogue and its list of items, and return the path of the list.

    Args:
        scene: Raster of six bands with values 1 to 255, and 0 without an observation.
        folder: Output folder.
        tiles: First and last column of each tile; by default `TILE_COLUMNS`.
        dates: Dates, and the factor from the scene's values; by default `DATES`.
    """
    image = read_raster(scene)
    records = []
    for tile, (first, last) in (tiles or TILE_COLUMNS).items():
        part = crop(image, 0, first, image.grid.height, last - first)
        for day, factor in (dates or DATES).items():
            records.append(_record(folder, tile, day, factor, part))
    items = {"type": "FeatureCollection", "catalog": "demo", "collections": [COLLECTION], "features": records}
    path = folder / ITEMS
    write_text(path, json.dumps(items, indent=1) + "\n")
    return path


def _record(folder: Path, tile: str, day: str, factor: float, part: Raster) -> dict[str, object]:
    """Write the files of one tile and date, and return the STAC record."""
    name = f"{tile}_{day}"
    values = np.where(part.valid, np.clip(np.rint(part.values.astype(np.float64) * factor), 1, 255), 0).astype(np.uint8)
    assets = {}
    for band, layer in zip(BANDS, values, strict=True):
        write_raster(
            folder / "files" / f"{name}_{band}.tif", layer[np.newaxis], part.grid, no_data_value=0, bands=[band]
        )
        assets[band] = {
            "href": f"files/{name}_{band}.tif",
            "type": "image/tiff; application=geotiff",
            "roles": ["data"],
        }
    about = "the scene" if factor == 1 else f"derived from the scene: its values times {factor}"
    properties = {"platform": "landsat-7", "eo:cloud_cover": 0, "grid:code": tile, "description": about}
    return stac_record(name, COLLECTION, f"{day}T15:40:00Z", part.grid, assets, properties)


def stac_record(
    name: str,
    collection: str,
    time: str,
    grid: Grid,
    assets: Mapping[str, object],
    properties: Mapping[str, object],
) -> dict[str, object]:
    """Return the STAC Item of an image whose files lie on one grid."""
    bounds = grid.bounds_lonlat()
    if bounds is None:
        raise ValueError("the scene is nowhere on Earth")
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    grid_fields = {"proj:wkt2": grid.crs, "proj:shape": list(grid.shape), "proj:transform": list(grid.transform)[:6]}
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
        "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": time, **grid_fields, **properties}, "assets": dict(assets),
    }  # fmt: skip
