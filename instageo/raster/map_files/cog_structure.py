"""Order of the parts of a Cloud-Optimized GeoTIFF."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instageo.raster.map_files.tiff import Directory, Tag, TagCode, fits_inline, header_bytes, pack_directory

BIG_TIFF_BYTES = 3_900_000_000
"""Bytes of blocks from which a file is a BigTIFF; positions in other TIFF files end at 4 GiB."""

STRUCTURE = (
    b"LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
"""What GDAL may rely on when it reads the file over HTTP; see `frame_block`."""

FRAME_BYTES = 8
"""Bytes that `frame_block` adds to a block."""

FULL_RESOLUTION_ONLY = {
    TagCode.PIXEL_SCALE, TagCode.TIE_POINTS, TagCode.TRANSFORMATION, TagCode.GEO_KEYS, TagCode.GEO_DOUBLES,
    TagCode.GEO_TEXTS, TagCode.GDAL_METADATA, TagCode.RPC_COEFFICIENTS,
}  # fmt: skip
"""Tags that overviews leave out: readers take position and names from the full resolution."""

BLOCK_TABLES: tuple[int, ...] = (TagCode.TILE_OFFSETS, TagCode.TILE_BYTE_COUNTS)

REDUCED_RESOLUTION = 1
"""Value of the tag `SUBFILE_TYPE` of overviews."""


def frame_block(block: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a block between its size and its last four bytes, repeated, which the tables of blocks do not count."""
    return struct.pack("<I", len(block)), block, block[-4:]


def start_cog(
    directory: Directory, level_shapes: Sequence[tuple[int, int]], block_bytes: Sequence[NDArray[np.int64]]
) -> tuple[bytes, int]:
    """Return all of a file before its blocks, and the size of the whole file.

    Header, directories from the largest image to the smallest, and tables of the blocks. The framed blocks follow, from
    the smallest image to the largest, so that readers get all that describes the file, and a small image, at once.

    Args:
        directory: Tags of the full resolution; those that depend on the level are set here.
        level_shapes: Rows and columns of each level.
        block_bytes: Bytes of the compressed blocks of each level, in their order.
    """
    big = sum(int((level + FRAME_BYTES).sum()) for level in block_bytes) > BIG_TIFF_BYTES
    ghost = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(STRUCTURE) + STRUCTURE
    first = len(header_bytes(0, big=big)) + len(ghost)
    first += first % 2

    directories = []
    for level, (shape, sizes) in enumerate(zip(level_shapes, block_bytes, strict=True)):
        table = Tag.of_numbers(sizes, big=big)  # for the offsets, which are not known yet, too: they take as many bytes
        directories.append(_level_directory(directory, level, shape) | dict.fromkeys(BLOCK_TABLES, table))
    packed = [pack_directory(tags, 0, big=big, elsewhere=dict.fromkeys(BLOCK_TABLES, 0)) for tags in directories]
    starts = [first, *(first + np.cumsum([len(part) for part in packed])).tolist()]

    tables = [(level, code) for level, tags in enumerate(directories) for code in BLOCK_TABLES]
    tables = [(level, code) for level, code in tables if not fits_inline(directories[level][code], big=big)]
    places, end = {}, starts[-1]
    for level, code in tables:
        places[level, code] = end
        end += len(directories[level][code].data)
    for tags, sizes in reversed(list(zip(directories, block_bytes, strict=True))):
        ends = end + np.cumsum(sizes + FRAME_BYTES)
        tags[TagCode.TILE_OFFSETS] = Tag.of_numbers(ends - FRAME_BYTES // 2 - sizes, big=big)
        end = int(ends[-1])

    parts = [(header_bytes(first, big=big) + ghost).ljust(first, b"\0")]
    for level, tags in enumerate(directories):
        elsewhere = {code: places[level, code] for code in BLOCK_TABLES if (level, code) in places}
        following = starts[level + 1] if level + 1 < len(directories) else 0
        parts.append(pack_directory(tags, starts[level], big=big, following=following, elsewhere=elsewhere))
    parts += [directories[level][code].data for level, code in tables]
    return b"".join(parts), end


def _level_directory(directory: Directory, level: int, shape: tuple[int, int]) -> Directory:
    """Return the tags of the image of a level."""
    if level == 0:
        return directory
    height, width = (Tag.of_number(side) for side in shape)
    kept = {code: tag for code, tag in directory.items() if code not in FULL_RESOLUTION_ONLY}
    return kept | {
        TagCode.SUBFILE_TYPE: Tag.of_number(REDUCED_RESOLUTION), TagCode.HEIGHT: height, TagCode.WIDTH: width,
    }  # fmt: skip
