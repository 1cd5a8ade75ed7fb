"""A small catalogue with a flood, made of the demo's scene: two tiles of three days before and after it.

The records look like those of HLS, so that everything that works with HLS can be tried offline. The scene is one of
Landsat 7 from the year 2000; days, clouds and the flood are invented, and the records say so.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instageo.demo.catalog import BANDS, ITEMS, TILE_COLUMNS, stac_record
from instageo.files import write_text
from instageo.raster.grid import Raster, crop
from instageo.raster.reading import read_raster
from instageo.raster.writing import write_raster

COLLECTION = "hls2-s30"
ASSETS = ("B02", "B03", "B04", "B8A", "B11", "B12")
"""Keys of the files of the bands, as those of HLS S30."""

WATER = 6
"""Number of water in the demo's land cover."""

SCALE, NO_DATA = 20, -9999
"""Factor that gives digital numbers about the size of reflectance x 10000, and the value without an observation."""

CLEAR, CLOUD, SHADOW, NO_FMASK = 64, 64 | 2, 64 | 8, 255
"""Values of the quality layer Fmask."""

CLOUD_VALUE = 6000


@dataclass(frozen=True)
class FloodDay:
    """An image of the catalogue.

    Attributes:
        day: Its day.
        flood_m: Distance from the waters of the scene up to which land is flooded, metres.
        clouds: Clouds as row, column and radius, pixels; each has a shadow to its north-west.
    """

    day: str
    flood_m: float
    clouds: Sequence[tuple[int, int, int]]


FLOOD_DAYS = (
    FloodDay("2024-05-01", 0, [(90, 330, 22)]),
    FloodDay("2024-05-17", 150, [(150, 200, 45), (300, 380, 30)]),
    FloodDay("2024-05-20", 120, [(220, 120, 25), (170, 235, 30)]),
)


def make_flood_catalog(scene: Path, landcover: Path, folder: Path) -> Path:
    """Write the files of the catalogue and its list of items, and return the path of the list.

    Args:
        scene: The demo's scene.
        landcover: Its land cover, on the same grid.
        folder: Output folder.
    """
    image, water = read_raster(scene), _water(landcover)
    records = []
    for each in FLOOD_DAYS:
        bands, quality = _bands_of_day(each, image, water), _quality_of_day(each, image)
        for tile, (first, last) in TILE_COLUMNS.items():
            part = crop(image, 0, first, image.grid.height, last - first)
            columns = slice(first, last)
            records.append(_write_image(folder, tile, each, part, bands[:, :, columns], quality[:, columns]))
    items = {"type": "FeatureCollection", "catalog": "planetary", "collections": [COLLECTION], "features": records}
    path = folder / ITEMS
    write_text(path, json.dumps(items, indent=1) + "\n")
    return path


def write_water_labels(scene: Path, landcover: Path, folder: Path) -> tuple[Path, Path]:
    """Write the scene in the unit of the catalogue, and where its water is, and return both paths.

    Labels are 0 for land and 1 for water; 255 stands for pixels without a label.
    """
    image, truth = read_raster(scene), read_raster(landcover)
    values = np.where(image.valid, image.values.astype(np.int16) * SCALE, NO_DATA).astype(np.int16)
    labels = np.where(truth.valid, truth.values == WATER, 255).astype(np.uint8)
    paths = folder / "scene.tif", folder / "water.tif"
    write_raster(paths[0], values, image.grid, no_data_value=NO_DATA, bands=BANDS)
    write_raster(paths[1], labels, truth.grid, no_data_value=255)
    return paths


def _water(landcover: Path) -> NDArray[np.bool_]:
    truth = read_raster(landcover)
    water: NDArray[np.bool_] = (truth.values[0] == WATER) & truth.valid[0]
    return water


def _bands_of_day(each: FloodDay, image: Raster, water: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return the bands of a day, shape (6, H, W): flooded land shows pixels of water that lie elsewhere."""
    from scipy.ndimage import distance_transform_edt

    valid = image.valid.all(axis=0)
    values = image.values.astype(np.int16) * SCALE
    rng = np.random.default_rng(1)
    pixel_m = image.grid.transform.a
    ripple = rng.uniform(0.6, 1.4, tuple(side // 8 + 1 for side in valid.shape)).repeat(8, 0).repeat(8, 1)
    distance = distance_transform_edt(~water) * pixel_m * ripple[: valid.shape[0], : valid.shape[1]]
    flooded = ~water & (distance <= each.flood_m)
    samples = values[:, water & valid]
    values[:, flooded] = samples[:, rng.integers(0, samples.shape[1], int(flooded.sum()))]
    values[:, _disks(each, valid.shape)] = CLOUD_VALUE
    values[:, ~valid] = NO_DATA
    return values


def _quality_of_day(each: FloodDay, image: Raster) -> NDArray[np.uint8]:
    valid = image.valid.all(axis=0)
    clouds = _disks(each, valid.shape)
    shadows = np.roll(clouds, (-20, -12), axis=(0, 1)) & ~clouds
    quality = np.where(clouds, CLOUD, np.where(shadows, SHADOW, CLEAR)).astype(np.uint8)
    quality[~valid] = NO_FMASK
    return quality


def _disks(each: FloodDay, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    inside = np.zeros(shape, bool)
    for row, column, radius in each.clouds:
        inside |= np.hypot(rows - row, columns - column) < radius
    return inside


def _write_image(
    folder: Path, tile: str, each: FloodDay, part: Raster, bands: NDArray[np.int16], quality: NDArray[np.uint8]
) -> dict[str, object]:
    """Write the files of a tile and day, and return the STAC Item."""
    layers: dict[str, tuple[NDArray[np.generic], float]] = {
        key: (layer, NO_DATA) for key, layer in zip(ASSETS, bands, strict=True)
    }
    layers["Fmask"] = (quality, NO_FMASK)
    assets = {}
    for key, (layer, no_data) in layers.items():
        name = f"files/{tile}_{each.day}_{key}.tif"
        write_raster(folder / name, layer[np.newaxis], part.grid, no_data_value=no_data)
        assets[key] = {"href": name, "type": "image/tiff; application=geotiff", "roles": ["data"]}
    observed = quality != NO_FMASK
    properties = {
        "platform": "sentinel-2a",
        "eo:cloud_cover": round(100 * float((quality[observed] == CLOUD).mean()), 1),
        "grid:code": tile,
        "description": "made of a scene of Landsat 7 from the year 2000; day, clouds and flood are invented",
    }
    return stac_record(f"{tile}_{each.day}", COLLECTION, f"{each.day}T15:40:00Z", part.grid, assets, properties)
