"""GeoTIFFs in every layout on disk, filled with random values."""

import struct

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

UTM_AREA_SCALE = 0.9996**2
"""Area in the plane of UTM per area on the ellipsoid, on the central meridian (x = 500,000 m)."""

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


MASK_KINDS = ("internal", "side-car", "alpha")
"""Places of a mask that `write_masked_tiff` writes."""


def write_masked_tiff(path, values, mask, kind, *, tag=None):
    """Write values (L, H, W) with a mask (H, W), False where it excludes pixels, and return the path.

    With the kind "alpha" the mask is one more layer, the last; None writes no mask.
    """
    layers = np.concatenate([values, np.where(mask, 1, 0).astype(values.dtype)[None]]) if kind == "alpha" else values
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=kind == "internal"),
        rasterio.open(
            path, "w", driver="GTiff", count=len(layers), height=layers.shape[1], width=layers.shape[2],
            dtype=layers.dtype.name, nodata=tag, crs="EPSG:32617", transform=Affine(30, 0, 5e5, 0, -30, 4e6),
            photometric="MINISBLACK", alpha="NO",
        ) as target,
    ):  # fmt: skip
        if kind == "alpha":
            target.colorinterp = [ColorInterp.gray, *[ColorInterp.undefined] * (len(values) - 1), ColorInterp.alpha]
        target.write(layers)
        if kind in ("internal", "side-car"):
            target.write_mask(mask)
    return path


def write_layer_tags(path, tags):
    """Write the no-data tag of each layer (None for none) into the side-car file `.aux.xml`."""
    bands = "".join(
        f'<PAMRasterBand band="{number}"><NoDataValue>{tag}</NoDataValue></PAMRasterBand>'
        for number, tag in enumerate(tags, start=1)
        if tag is not None
    )
    path.with_name(f"{path.name}.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")


def set_tag_text(path, text):
    """Replace the text of the no-data tag of a little-endian TIFF, which needs to have one."""
    content, new = bytearray(path.read_bytes()), text.encode() + b"\0"
    [directory] = struct.unpack_from("<I", content, 4)
    [count] = struct.unpack_from("<H", content, directory)
    [entry] = [
        start
        for start in range(directory + 2, directory + 2 + 12 * count, 12)
        if struct.unpack_from("<H", content, start) == (42113,)
    ]
    place = struct.pack("<I", len(content)) if len(new) > 4 else new.ljust(4, b"\0")
    content[entry + 4 : entry + 12] = struct.pack("<I", len(new)) + place
    path.write_bytes(content + (new if len(new) > 4 else b""))
