"""A catalogue of three tiles in two UTM zones for maps of areas: classes by blocks, clouds, and half a swath."""

import json

import numpy as np
import pyproj
import shapely
from shapely.geometry import box

from tests.integration.maps import NO_DATA, scene_values
from tests.items import BANDS, TILES, tile_grid, write_catalog

SIZE, PIXEL_M = 1220, 90.0
DAYS = ("2024-05-01", "2024-05-16")
CLOUD_PERCENT = (20, 5)
"""Of the images of both days: the second one is the clearest."""

AREA = (11.31, 43.80, 12.67, 44.02)
"""West, south, east, north, degrees: it lies in all three tiles."""

CLEAR, CLOUD, SHADOW, NO_FMASK = 64, 64 | 2, 64 | 8, 255


def images(tile, date):
    """Return bands (6, H, W) and Fmask (H, W) of an image of a tile; date 0 or 1."""
    number = list(TILES).index(tile)
    values = scene_values(SIZE, SIZE, seed=number)
    values = np.where(values == NO_DATA, 600, values) + np.int16(10 * date)
    rng = np.random.default_rng(100 + 10 * number + date)
    covers = rng.choice([CLEAR, CLEAR, CLEAR, CLOUD, SHADOW], (SIZE // 20, SIZE // 20)).repeat(20, 0).repeat(20, 1)
    if tile == "32TQM" and date == 1:  # beyond the swath
        covers[:, SIZE // 2 :], values[:, :, SIZE // 2 :] = NO_FMASK, NO_DATA
    if date == 0:  # a hole in a single band that the quality layer does not know of
        values[3, 300:420, 100:200] = NO_DATA
    return values, covers.astype(np.uint8)


def write_area_catalog(folder):
    """Write files and their list, and return the path of the list."""

    def pixels(tile, date, band, _):
        values, covers = images(tile, date)
        return covers if band == "Fmask" else values[BANDS.index(band)]

    path = write_catalog(folder, tuple(TILES), DAYS, SIZE, pixels)
    content = json.loads(path.read_text())
    for record in content["features"]:
        record["properties"]["eo:cloud_cover"] = CLOUD_PERCENT[DAYS.index(record["properties"]["datetime"][:10])]
    path.write_text(json.dumps(content))
    return path


def observed(tile, date):
    """Return bands (6, H, W), and where an image has an observation without cloud and shadow, (H, W)."""
    values, covers = images(tile, date)
    return values, (covers == CLEAR) & (values != NO_DATA).all(axis=0)


def composite(tile, dates):
    """Return the first observation of each pixel in this order of dates, NO_DATA without one, shape (6, H, W)."""
    result = np.full((6, SIZE, SIZE), NO_DATA, np.int16)
    for date in reversed(dates):
        values, clear = observed(tile, date)
        result[:, clear] = values[:, clear]
    return result


def window_of(tile, transform, shape):
    """Return rows and columns of a map in its tile."""
    grid = tile_grid(tile, SIZE)
    column, row = round((transform.c - grid.transform.c) / PIXEL_M), round((grid.transform.f - transform.f) / PIXEL_M)
    return slice(row, row + shape[0]), slice(column, column + shape[1])


def centers(tile, rows, columns):
    """Return x and y of the centres of pixels of a tile, and their longitudes and latitudes, each (H, W)."""
    code, west, north = TILES[tile]
    xs = west + PIXEL_M * (np.arange(columns.start, columns.stop) + 0.5)
    ys = north - PIXEL_M * (np.arange(rows.start, rows.stop) + 0.5)
    x, y = np.meshgrid(xs, ys)
    return x, y, *pyproj.Transformer.from_crs(code, 4326, always_xy=True).transform(x, y)


def inside_area(tile, rows, columns, area=AREA):
    """Return which pixels of a tile have their centre in a box in degrees."""
    *_, lon, lat = centers(tile, rows, columns)
    west, south, east, north = area
    return (lon > west) & (lon < east) & (lat > south) & (lat < north)


def near_area(tile, rows, columns, metres, area=AREA):
    """Return which pixels of a tile lie in the area's part of it or so near, along x and y, to it."""
    code, left, top = TILES[tile]
    transformer = pyproj.Transformer.from_crs(4326, code, always_xy=True)
    outline = shapely.transform(
        box(*area).segmentize(0.01), lambda points: np.stack(transformer.transform(*points.T), axis=1)
    )
    side = SIZE * PIXEL_M
    around = (outline & box(left, top - side, left + side, top)).buffer(
        metres, cap_style="square", join_style="mitre"
    )  # fmt: skip
    x, y, *_ = centers(tile, rows, columns)
    return shapely.contains_xy(around, x, y)
