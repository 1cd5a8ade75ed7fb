"""Scenes for tests: the same pixels in every layout, and what reads them back."""

import zipfile
from functools import partial

import numpy as np
import rasterio
from affine import Affine

from instageo.raster.scenes.scene import BandSource, open_scene
from instageo.raster.scenes.scene_rows import SceneRows
from instageo.raster.scenes.strips import StripReader

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 4_000_000)

LAYOUTS = {
    "512 blocks": {"tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel"},
    "256 blocks": {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "pixel"},
    "128 blocks by band": {"tiled": True, "blockxsize": 128, "blockysize": 128, "interleave": "band"},
    "rows": {"blockysize": 1, "interleave": "pixel"},
    "rows by band": {"blockysize": 1, "interleave": "band"},
    "strips of 7 rows": {"blockysize": 7, "interleave": "pixel"},
}


def random_scene(shape, seed=0, dtype=np.int16):
    """Draw values with some no-data pixels, 0."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 10_000, shape).astype(dtype)
    values[:, rng.random(shape[1:]) < 0.1] = 0
    values[0, rng.random(shape[1:]) < 0.1] = 0
    return values


def write_scene(path, values, *, transform=TRANSFORM, crs="EPSG:32633", no_data=0, mask=None, **options):
    """Write values (L, H, W) as a compressed GeoTIFF, and return the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2],
            dtype=values.dtype.name, crs=crs, transform=transform, nodata=no_data, compress="deflate", **options,
        ) as target,
    ):  # fmt: skip
        target.write(values)
        if mask is not None:
            target.write_mask(mask)
    return str(path)


def write_vrt(path, source, shape, bands):
    """Write a VRT of one file with all its bands."""
    height, width = shape
    body = "".join(
        f'<VRTRasterBand dataType="Int16" band="{band}"><NoDataValue>0</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>{band}</SourceBand>'
        f"</SimpleSource></VRTRasterBand>"
        for band in range(1, bands + 1)
    )
    numbers = ", ".join(map(str, TRANSFORM.to_gdal()))
    path.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>{numbers}</GeoTransform>{body}</VRTDataset>"
    )
    return str(path)


def write_zip(path, file):
    """Pack a file, and return the path under which GDAL finds it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(file, "scene.tif")
    return f"/vsizip/{path}/scene.tif"


def layers_of(path, count, **settings):
    """Return the sources of the first layers of a file."""
    return [BandSource(path, layer, **settings) for layer in range(count)]


def strip_reader(scene, columns, rows, **options):
    return StripReader(scene, partial(SceneRows, scene), columns, rows, **options)


def read_strips(scene, rows=None, columns=None, threads=1):
    """Return values and validity of the joined strips of a part of a scene."""
    rows, columns = rows or slice(0, scene.grid.height), columns or slice(0, scene.grid.width)
    strips = list(strip_reader(scene, columns, rows, threads=threads))
    assert [strip.row for strip in strips[1:]] == [strip.row + strip.values.shape[1] for strip in strips[:-1]]
    assert all(strip.column == columns.start for strip in strips)
    return [np.concatenate([getattr(strip, name) for strip in strips], axis=1) for name in ("values", "valid")]


def scene_of(path, count, **settings):
    """Open one date of a file."""
    return open_scene(layers_of(path, count), 1, **settings)
