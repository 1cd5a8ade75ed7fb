"""Blocks in which files store their pixels, since each should be decoded only once."""

from collections.abc import Sequence

from instageo.errors import RasterError
from instageo.raster.reading import OpenRaster, open_raster

MAX_BLOCK_BYTES = 1 << 29
"""Largest block, decoded, that is read: it needs this memory at once, however small the part that is needed."""

MIN_STRIP_ROWS = 64
"""Rows that are read at once where blocks have fewer."""


def block_shape(raster: OpenRaster) -> tuple[int, int]:
    """Return rows and columns of the blocks that an open file stores; those of the first source of a VRT."""
    height, width = raster.block_shape
    files: Sequence[str] = raster.source.files
    if raster.source.driver == "VRT" and len(files) > 1:
        with open_raster(files[1]) as first:
            height, width = first.block_shape
    return min(height, raster.source.height), min(width, raster.source.width)


def strip_rows(block_height: int, height: int) -> int:
    """Return the rows of strips: whole blocks, `MIN_STRIP_ROWS` or more, but not more than the image has."""
    blocks = -(-MIN_STRIP_ROWS // block_height)
    return min(blocks * block_height, height)


def check_block_size(raster: OpenRaster) -> None:
    """Raise a RasterError if a block of an open file is too large to be decoded in bounded memory."""
    height, width = block_shape(raster)
    profile = raster.source.profile
    layers = raster.source.count if profile.get("interleave") == "pixel" else 1
    size = height * width * layers * max(_bytes(dtype) for dtype in raster.source.dtypes)
    if size > MAX_BLOCK_BYTES:
        raise RasterError(
            f"{raster.path}: is stored in blocks of {height} x {width} pixels, each of {size / 1e6:.0f} MB in memory; "
            f"expected at most {MAX_BLOCK_BYTES / 1e6:.0f} MB; write it in tiles: gdal_translate -co TILED=YES -co "
            f"COMPRESS=DEFLATE -co BIGTIFF=IF_SAFER {raster.path} TILED.tif"
        )


def _bytes(dtype: str) -> int:
    digits = "".join(filter(str.isdigit, dtype))
    return max(int(digits or 64) // 8, 1)
