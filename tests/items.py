"""Items of catalogues, made for tests."""

import csv
import json
from itertools import product

import numpy as np
from affine import Affine

from instageo.data.items.item import item_from_stac
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from instageo.raster.writing import write_raster

TILES = {"32TPM": (32632, 600000, 4900020), "32TQM": (32632, 699960, 4900020), "33TTG": (32633, 199980, 4900020)}
"""EPSG code, and west and north of MGRS tiles: the first two overlap by 9.84 km, the third lies in the next zone."""

DATE_LINE = {"60NZF": (32660, 760020, 109800), "01NAA": (32601, 130180, 109800)}
"""As `TILES`: two tiles across longitude 180, each the mirror of the other, so that each holds its own side deeper."""

TILE_M = 109_800
"""Side of an MGRS tile, metres."""

HALF_TILE_DEGREES = 0.5

BANDS = ("B02", "B03", "B04", "B8A", "B11", "B12", "Fmask")


def tile_grid(tile, size=3660):
    """Return the grid of a tile of `size` x `size` pixels."""
    code, west, north = (TILES | DATE_LINE)[tile]
    pixel = TILE_M / size
    return Grid(crs_wkt(f"EPSG:{code}"), Affine(pixel, 0, west, 0, -pixel, north), size, size)


def record_of(tile="32TPM", day="2024-05-01", name=None, size=3660, collection="hls2-s30", assets=BANDS, **properties):
    """Return the STAC record of an image of a tile."""
    code, *_ = (TILES | DATE_LINE)[tile]
    grid = tile_grid(tile, size)
    west, south, east, north = grid.bounds_lonlat()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    if tile in DATE_LINE:  # cut at longitude 180, as RFC 7946 has it
        halves = [(180 - HALF_TILE_DEGREES, 180), (-180, HALF_TILE_DEGREES - 180)]
        rings = [[[w, south], [e, south], [e, north], [w, north], [w, south]] for w, e in halves]
        geometry, west, east = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}, -180, 180
    own = {
        "datetime": day if "T" in day else f"{day}T10:15:59Z", "platform": "sentinel-2a", "eo:cloud_cover": 5,
        "proj:code": f"EPSG:{code}", "proj:shape": [size, size], "proj:transform": list(grid.transform)[:6],
        "grid:code": f"MGRS-{tile}",
    }  # fmt: skip
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name or f"{collection}.{tile}.{day}",
        "collection": collection, "bbox": [west, south, east, north], "links": [],
        "geometry": geometry,
        "properties": own | properties,
        "assets": {key: {"href": f"https://example.org/{tile}/{day}/{key}.tif"} for key in assets},
    }  # fmt: skip


def item_of(*args, **kwargs):
    """Return the item of `record_of`."""
    return item_from_stac(record_of(*args, **kwargs))


def formula(band, date, shape, row=0, column=0):
    """Return 1000 b + 100 k + row mod 64 + column mod 32 for the pixels of a window that begins at (row, column)."""
    rows, columns = np.mgrid[row : row + shape[0], column : column + shape[1]]
    return 1000 * band + 100 * date + rows % 64 + columns % 32


def write_catalog(folder, tiles=("32TPM",), days=("2024-05-01", "2024-05-16"), size=1220, pixels=None, south_up=False):
    """Write files of tiles with values by `formula` and their item list; return the path of the list.

    `pixels(tile, date, band, values)` may change the values of a file; Fmask is 64 (nothing) everywhere.
    """
    records = []
    for tile, (date, day) in product(tiles, enumerate(days)):
        record = record_of(tile, day, size=size)
        grid = tile_grid(tile, size)
        for number, band in enumerate(BANDS):
            is_mask = band == "Fmask"
            values = (
                np.full(grid.shape, 64, np.uint8) if is_mask else formula(number, date, grid.shape).astype(np.int16)
            )
            values = values if pixels is None else pixels(tile, date, band, values)
            name = f"files/{tile}_{day}_{band}.tif"
            record["assets"][band] = {"href": name}
            if values is None:
                (folder / "files").mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(b"II*\0 not a whole file")
                continue
            own = grid
            if south_up:
                transform = Affine(
                    grid.transform.a, 0, grid.transform.c, 0, grid.transform.a, grid.transform.f - TILE_M
                )
                own, values = Grid(grid.crs, transform, *grid.shape), values[::-1]
            write_raster(folder / name, values[np.newaxis], own, no_data_value=255 if is_mask else -9999)
        records.append(record)
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "catalog": "planetary", "features": records}))
    return path


def records_at(path, base):
    """Return the records of a list of `write_catalog`, with their files below a URL."""
    records = json.loads(path.read_text())["features"]
    for record in records:
        for asset in record["assets"].values():
            asset["href"] = f"{base}/{asset['href']}"
    return records


def write_points(path, points):
    """Write a table of points: latitude, longitude, date and label."""
    lines = ["lat,lon,date,label", *(",".join(map(str, point)) for point in points)]
    path.write_text("\n".join(lines) + "\n")
    return path


def lonlat_of(tile, row, column, size=3660):
    """Return longitude and latitude of a position in a tile, pixels."""
    grid = tile_grid(tile, size)
    [lon], [lat] = transform_coordinates(grid.crs, WGS84, *grid.to_crs([row], [column]))
    return lon, lat


def read_csv(path):
    """Return the rows of a table."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
