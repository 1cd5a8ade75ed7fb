"""Items of catalogues, made for tests."""

from affine import Affine

from instageo.data.items.item import item_from_stac
from instageo.raster.grid import Grid
from instageo.raster.warp import crs_wkt

TILES = {"32TPM": (32632, 600000, 4900020), "32TQM": (32632, 699960, 4900020), "33TTG": (32633, 199980, 4900020)}
"""EPSG code, and west and north of MGRS tiles: the first two overlap by 9.84 km, the third lies in the next zone."""

TILE_M = 109_800
"""Side of an MGRS tile, metres."""

BANDS = ("B02", "B03", "B04", "B8A", "B11", "B12", "Fmask")


def tile_grid(tile, size=3660):
    """Return the grid of a tile of `size` x `size` pixels."""
    code, west, north = TILES[tile]
    pixel = TILE_M / size
    return Grid(crs_wkt(f"EPSG:{code}"), Affine(pixel, 0, west, 0, -pixel, north), size, size)


def record_of(tile="32TPM", day="2024-05-01", name=None, size=3660, collection="hls2-s30", assets=BANDS, **properties):
    """Return the STAC record of an image of a tile."""
    code, *_ = TILES[tile]
    grid = tile_grid(tile, size)
    west, south, east, north = grid.bounds_lonlat()
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    own = {
        "datetime": day if "T" in day else f"{day}T10:15:59Z", "platform": "sentinel-2a", "eo:cloud_cover": 5,
        "proj:code": f"EPSG:{code}", "proj:shape": [size, size], "proj:transform": list(grid.transform)[:6],
        "grid:code": f"MGRS-{tile}",
    }  # fmt: skip
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name or f"{collection}.{tile}.{day}",
        "collection": collection, "bbox": [west, south, east, north], "links": [],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": own | properties,
        "assets": {key: {"href": f"https://example.org/{tile}/{day}/{key}.tif"} for key in assets},
    }  # fmt: skip


def item_of(*args, **kwargs):
    """Return the item of `record_of`."""
    return item_from_stac(record_of(*args, **kwargs))
