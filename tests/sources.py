"""Rows as a source of samples, without a check of the whole table; and files in every layout that GeoTIFF has."""

import numpy as np
import rasterio
from affine import Affine

from instageo.model.chips.coordinates import row_coordinates
from instageo.model.dataset.chip_reader import ChipReader
from instageo.model.inspection.report import build_report, inspect_rows
from instageo.raster.reading import read_info

LAYOUTS = {
    "strips": {},
    "strips of one row": {"blockysize": 1},
    "deflated strips": {"compress": "deflate", "predictor": 2},
    "tiles": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "lzw tiles": {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "lzw"},
    "pixel by pixel": {"interleave": "pixel", "compress": "deflate"},
    "layer by layer": {"interleave": "band"},
}
"""Ways in which a GeoTIFF may lie on disk."""


def write_tiff(path, values, *, tag=None, layout="strips"):
    """Write values (L, H, W) with a no-data tag in one of `LAYOUTS`; gives the path as text."""
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


def source_of(rows, chips, labels):
    """The source that a checked table with these rows gives."""
    found = [read_info(row.input) for row in rows]
    seen = [
        row_coordinates(row, info.grid, info.tags, chips.temporal_dim) for row, info in zip(rows, found, strict=True)
    ]
    return ChipReader(rows, chips, labels, [info.grid.shape for info in found], seen)


def load_sample(row, chips, labels):
    """One row as a sample."""
    return source_of([row], chips, labels).read(0)


def numbers_of(settings):
    """Function that gives random values of a type and shape, with some of the marks among them."""
    rng = np.random.default_rng(settings)

    def make(kind, shape, marks=(), share=0.2):
        if np.dtype(kind).kind == "f":
            values = rng.normal(50, 1000, shape).astype(kind)
        else:
            info = np.iinfo(kind)
            values = rng.integers(max(info.min, -(10**9)), min(info.max, 10**9), shape, endpoint=True).astype(kind)
        for mark in marks:
            values[rng.random(shape) < share] = mark
        return values

    return make


def check_table(name, rows, look, *, skip_bad=False):
    """What a check of a table finds, without what is remembered and written down of it."""
    return build_report(name, rows, inspect_rows(name, rows, look), skip_bad=skip_bad)
