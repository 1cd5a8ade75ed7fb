"""Blocks in which files store their pixels, since each should be decoded only once."""

from collections.abc import Sequence

from instageo.errors import RasterError
from instageo.raster.reading import OpenRaster, open_raster

MAX_BLOCK_BYTES = 1 << 29
"""Most that a file may need at once, since blocks are decoded whole, however small the part that is needed."""

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


def check_block_size(raster: OpenRaster, num_layers: int) -> None:
    """Raise a RasterError if an open file has too large blocks to be decoded in bounded memory.

    Args:
        raster: The file.
        num_layers: How many of its layers are read; panels of columns do not help where blocks are as wide as the file.
    """
    height, width = block_shape(raster)
    layers = num_layers if width == raster.source.width else 1
    if raster.source.profile.get("interleave") == "pixel":
        layers = raster.source.count
    size = height * width * layers * max(_bytes(dtype) for dtype in raster.source.dtypes)
    if size > MAX_BLOCK_BYTES:
        raise RasterError(
            f"{raster.path}: is stored in blocks of {height} x {width} pixels, which take {size / 1e6:.0f} MB at once; "
            f"expected at most {MAX_BLOCK_BYTES / 1e6:.0f} MB; write it in tiles: gdal_translate -co TILED=YES -co "
            f"COMPRESS=DEFLATE -co BIGTIFF=IF_SAFER {raster.path} TILED.tif"
        )


def _bytes(dtype: str) -> int:
    digits = "".join(filter(str.isdigit, dtype))
    return max(int(digits or 64) // 8, 1)
