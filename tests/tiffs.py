"""GeoTIFFs in every layout on disk, filled with random values."""

import numpy as np
import rasterio
from affine import Affine

LAYOUTS = {
    "strips": {},
    "strips of one row": {"blockysize": 1},
    "deflated strips": {"compress": "deflate", "predictor": 2},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "lzw tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "lzw"},
    "pixel by pixel": {"interleave": "pixel", "compress": "deflate"},
    "layer by layer": {"interleave": "band"},
}
"""Creation options by layout."""


def write_tiff(path, values, *, tag=None, layout="strips"):
    """Write values (L, H, W) with a no-data tag in one of `LAYOUTS`, and return the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = dict(LAYOUTS[layout])
    if values.dtype.kind == "f":
        options.pop("predictor", None)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2],
        dtype=values.dtype.name, nodata=tag, crs="EPSG:32617", transform=Affine(30, 0, 500_000, 0, -30, 4_000_000),
        **options,
    ) as target:  # fmt: skip
        target.write(values)
    return str(path)


def random_values(seed):
    """Return a function that draws values of a type and shape, with some of the given special values among them."""
    rng = np.random.default_rng(seed)

    def draw(kind, shape, special=(), share=0.2):
        if np.dtype(kind).kind == "f":
            values = rng.normal(50, 1000, shape).astype(kind)
        else:
            info = np.iinfo(kind)
            values = rng.integers(max(info.min, -(10**9)), min(info.max, 10**9), shape, endpoint=True).astype(kind)
        for value in special:
            values[rng.random(shape) < share] = value
        return values

    return draw
