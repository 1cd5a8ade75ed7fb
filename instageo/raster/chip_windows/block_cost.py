"""Count requests and bytes of reading windows, from the table of blocks in the header of a TIFF."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from rasterio.io import DatasetReader

from instageo.raster.chip_windows.windows import PixelWindow, merge_windows
from instageo.raster.reading import OpenRaster

HEADER_BYTES = 32768
"""First piece of a remote file, which holds the header."""

HEADER_REQUESTS = 2
"""One for the size of the file, one for its first bytes."""

PAGE = 16384
"""Bytes of a page: GDAL reads whole pages where a window touches a single block."""

COG_GAP = 8
"""Bytes between two blocks of a Cloud-Optimized GeoTIFF, which repeat sizes; GDAL reads across them."""


@dataclass(frozen=True)
class ReadCost:
    """What it takes to read windows.

    Attributes:
        requests: Requests, with those for the header.
        bytes: Bytes, with those of the header.
        needed_bytes: Bytes of the distinct blocks that the windows touch; nobody can read less.
        blocks: Number of these blocks.
        windows: Number of merged windows.
        pixel_bytes: Bytes of the windows' pixels, uncompressed.
    """

    requests: float = 0.0
    bytes: float = 0.0
    needed_bytes: float = 0.0
    blocks: float = 0.0
    windows: float = 0.0
    pixel_bytes: float = 0.0

    def __add__(self, other: "ReadCost") -> "ReadCost":
        return ReadCost(*(own + more for own, more in zip(self._figures, other._figures, strict=True)))

    def __mul__(self, factor: float) -> "ReadCost":
        return ReadCost(*(own * factor for own in self._figures))

    @property
    def wasted_share(self) -> float:
        """Share of the bytes that lie in no block that a window touches, 0 to 1."""
        return 1 - self.needed_bytes / self.bytes if self.bytes else 0.0

    @property
    def _figures(self) -> tuple[float, ...]:
        return self.requests, self.bytes, self.needed_bytes, self.blocks, self.windows, self.pixel_bytes


def windows_cost(file: OpenRaster, windows: Iterable[PixelWindow], max_ratio: float) -> ReadCost:
    """Return what it takes to read windows of the first layer of an open file, if no request fails.

    Args:
        file: The file; no pixel is read.
        windows: Windows inside it.
        max_ratio: See `merge_windows`.
    """
    windows, block_shape = tuple(windows), file.block_shape
    table = _BlockTable(file.source)
    read_blocks: set[tuple[int, int]] = set()
    num_bytes, requests = HEADER_BYTES, HEADER_REQUESTS
    merged = merge_windows(windows, block_shape, max_ratio)
    for group in merged:
        ranges = table.ranges(group.window, block_shape, read_blocks)
        requests += len(ranges)
        num_bytes += sum(end - start for start, end in ranges)
    needed = frozenset[tuple[int, int]]().union(*(group.blocks for group in merged))
    pixels = sum(window.height * window.width for window in windows)
    item_size = np.dtype(file.info.dtype).itemsize
    return ReadCost(
        requests, num_bytes, sum(table.size(block) for block in needed), len(needed), len(merged), pixels * item_size
    )


class _BlockTable:
    """Positions of the blocks in a TIFF; a file without a table counts as uncompressed, one range a block."""

    def __init__(self, source: DatasetReader) -> None:
        self._source = source
        self._extents: dict[tuple[int, int], tuple[int, int]] = {}

    def size(self, block: tuple[int, int]) -> int:
        """Return the bytes of a block."""
        return self._extent(block)[1]

    def ranges(
        self, window: PixelWindow, block_shape: tuple[int, int], read_blocks: set[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return first byte and end of the requests for a window; blocks that were read before are left out."""
        blocks = window.blocks(block_shape) - read_blocks
        read_blocks |= blocks
        extents = sorted(extent for block in blocks if (extent := self._extent(block))[1])
        ranges: list[tuple[int, int]] = []
        for offset, size in extents:
            if ranges and 0 <= offset - ranges[-1][1] <= COG_GAP:
                ranges[-1] = ranges[-1][0], offset + size
            else:
                ranges.append((offset, offset + size))
        if len(extents) == 1:
            [(start, end)] = ranges
            return [(start // PAGE * PAGE, -(-end // PAGE) * PAGE)]
        return ranges

    def _extent(self, block: tuple[int, int]) -> tuple[int, int]:
        """Return offset and size of a block, both 0 where a sparse file has none."""
        if block not in self._extents:
            row, column = block
            offset, size = (
                self._source.get_tag_item(f"BLOCK_{name}_{column}_{row}", dm="TIFF", bidx=1)
                for name in ("OFFSET", "SIZE")
            )
            self._extents[block] = int(offset or 0), int(size or 0)
        return self._extents[block]
