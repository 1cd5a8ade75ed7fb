"""One ground and time as several products store it: HLS, Sentinel-2 before and after baseline 04.00, Landsat.

The ground is a class in blocks of 600 m. Each product has images of two days: clouds cover the west half on the first
and the east half on the second, with other values and, where products differ within a catalogue, with other formulas.
"""

import json

import numpy as np
from affine import Affine

from instageo.data.sources.hls import L30, S30
from instageo.data.sources.landsat import ASSETS as LANDSAT
from instageo.data.sources.sentinel2 import CODES, EARTHSEARCH, RESOLUTION_M
from instageo.raster.grid import Grid
from instageo.raster.warp import WGS84, crs_wkt, transform_coordinates
from instageo.raster.writing import write_raster
from instageo.sensors import PRITHVI_BANDS

WEST, NORTH, SIDE_M, BLOCK_M = 600_000, 4_900_020, 7200, 600
MIDDLE = WEST + SIDE_M // 2
DAYS = ("2024-05-01", "2024-05-06")
AREA_M = (WEST + 900, NORTH - 6300, WEST + 6300, NORTH - 900)
"""West, south, east, north of the area, metres."""

LABELS = np.random.default_rng(7).integers(0, 2, (SIDE_M // BLOCK_M, SIDE_M // BLOCK_M))
"""Class of each block."""

CLOUD = 9000


SMALL_AREA_M = (602_700, 4_896_900, 604_500, 4_898_700)
"""The same, of an area in the middle that is quickly mapped."""


def area(bounds=AREA_M):
    """Return the area as the box of the command, degrees."""
    west, south, east, north = bounds
    lons, lats = transform_coordinates(
        "EPSG:32632", WGS84, [west, east, west, east], [south, south, north, north]
    )  # fmt: skip
    return ",".join(f"{value:.6f}" for value in (max(lons[0], lons[2]), max(lats[:2]), min(lons[1::2]), min(lats[2:])))


def centers(grid):
    """Return x and y of the centres of pixels, each (H, W)."""
    xs = grid.transform.c + grid.transform.a * (np.arange(grid.width) + 0.5)
    ys = grid.transform.f + grid.transform.e * (np.arange(grid.height) + 0.5)
    return np.meshgrid(xs, ys)


def labels(grid):
    """Return the class of the ground at the pixels of a grid, and the distance from the edge of their block, metres."""
    x, y = centers(grid)
    right, down = x - WEST, NORTH - y
    last = len(LABELS) - 1
    row, column = (np.clip(part // BLOCK_M, 0, last).astype(int) for part in (down, right))
    edges = [np.minimum(part % BLOCK_M, BLOCK_M - part % BLOCK_M) for part in (right, down)]
    return LABELS[row, column], np.minimum(*edges)


def reflectance(band, grid):
    """Return reflectance x 10000 of a band, different for each."""
    own, _ = labels(grid)
    return 571 + 40 * PRITHVI_BANDS.index(band) + 1500 * own


def grid_at(pixel, west=WEST, north=NORTH, height_m=SIDE_M, width_m=SIDE_M):
    """Return a grid of pixels of this size."""
    transform = Affine(pixel, 0, west, 0, -pixel, north)
    return Grid(crs_wkt("EPSG:32632"), transform, round(height_m / pixel), round(width_m / pixel))


class Folder:
    """Files of images, and their list."""

    def __init__(self, path, catalog):
        self.path, self.catalog, self.records = path, catalog, []

    def add(self, name, collection, date, grid, files, **properties):
        """Add an image. `files` holds asset, values (H, W), their grid, and the no-data tag."""
        west, south, east, north = grid.bounds_lonlat()
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        assets = {}
        for asset, values, own, no_data in files:
            href = f"{name}_{asset}.tif"
            write_raster(self.path / href, values[None], own, no_data_value=no_data)
            assets[asset] = {
                "href": href, "proj:shape": list(own.shape), "proj:transform": list(own.transform)[:6],
            }  # fmt: skip
        self.records.append({
            "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "links": [],
            "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"datetime": f"{DAYS[date]}T10:15:59Z", "eo:cloud_cover": 50 + date,
                           "proj:code": "EPSG:32632"} | properties,
            "assets": assets,
        })  # fmt: skip

    def write(self):
        path = self.path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "catalog": self.catalog, "features": self.records}))
        return path


def covered(date, grid):
    """Return where clouds are: the west half on the first day, the east half on the second one."""
    x, _ = centers(grid)
    return (x < MIDDLE) if date == 0 else (x >= MIDDLE)


def values_of(band, date, grid):
    """Return reflectance x 10000 with clouds."""
    return np.where(covered(date, grid), CLOUD, reflectance(band, grid))


def hls(path):
    """Write S30 on the first day and L30 on the second one."""
    folder, grid = Folder(path, "planetary"), grid_at(30)
    for date, (collection, codes) in enumerate((("hls2-s30", S30), ("hls2-l30", L30))):
        files = [(codes[band], values_of(band, date, grid).astype(np.int16), grid, -9999) for band in PRITHVI_BANDS]
        files.append(("Fmask", np.where(covered(date, grid), 2, 64).astype(np.uint8), grid, 255))
        folder.add(f"{collection}.{date}", collection, date, grid, files, **{"grid:code": "MGRS-32TPM"})
    return folder.write()


def sentinel2(path, catalog="planetary"):
    """Write baselines 03.01 and 05.00 (Planetary), or 05.10 twice (Earth Search); files without no-data tags."""
    folder, is_planetary = Folder(path, catalog), catalog == "planetary"
    assets = CODES if is_planetary else EARTHSEARCH
    collection = "sentinel-2-l2a" if is_planetary else "sentinel-2-c1-l2a"
    for date, baseline in enumerate(("03.01", "05.00") if is_planetary else ("05.10", "05.10")):
        offset = 0 if baseline == "03.01" else 1000
        files = []
        for band in PRITHVI_BANDS:
            grid = grid_at(RESOLUTION_M.get(band, 20))
            files.append((assets[band], (values_of(band, date, grid) + offset).astype(np.uint16), grid, None))
        grid = grid_at(20)
        scl = np.where(covered(date, grid), 9, 4).astype(np.uint8)
        files.append(("SCL" if is_planetary else "scl", scl, grid, None))
        folder.add(
            f"S2A_32TPM_{date}_{baseline}", collection, date, grid_at(10), files,
            **{"grid:code": "MGRS-32TPM", "s2:processing_baseline": baseline, "platform": "sentinel-2a"},
        )  # fmt: skip
    return folder.write()


def landsat(path):
    """Write two rows of a path that overlap, on both days, with other extents on the second one."""
    folder = Folder(path, "planetary")
    for date in range(2):
        shift = 15 - 300 * date
        for row in range(2):
            north = NORTH + shift - row * 3000
            grid = grid_at(30, WEST + shift, north, 4500, SIDE_M + 300 * date)
            files = []
            for band in PRITHVI_BANDS:
                stored = np.rint((values_of(band, date, grid) + 2000) / 0.275).astype(np.uint16)
                stored[: 10 * row, :40] = 0  # beyond the swath, where only the other row has values
                files.append((LANDSAT[band], stored, grid, 0))
            quality = np.where(covered(date, grid), 1 << 3, 1 << 6).astype(np.uint16)
            quality[: 10 * row, :40] = 1
            files.append(("qa_pixel", quality, grid, 1))
            folder.add(
                f"LC08_19202{row}_{date}", "landsat-c2-l2", date, grid, files,
                **{"landsat:wrs_path": "192", "landsat:wrs_row": f"02{row}", "platform": "landsat-8"},
            )  # fmt: skip
    return folder.write()


PRODUCTS = {
    "hls": ("hls", hls),
    "sentinel2": ("sentinel2", sentinel2),
    "earthsearch": ("sentinel2", lambda path: sentinel2(path, "earthsearch")),
    "landsat": ("landsat", landsat),
}
"""Value of `--source`, and what writes files and list."""
