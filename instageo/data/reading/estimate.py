"""Estimate what reading will take, from the headers of some of the files, before any pixel is read."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from instageo.data.catalogs.access import Access
from instageo.data.reading.requests import AssetRead
from instageo.errors import RasterError
from instageo.raster.chip_windows.block_cost import ReadCost
from instageo.raster.chip_windows.read_cost import read_cost

MAX_HEADERS = 64
"""Files whose header is read at most; figures of the others follow from these."""


@dataclass(frozen=True)
class Estimate:
    """What reading will take.

    Attributes:
        cost: Requests and bytes of all files.
        num_files: Number of files; one that several batches of chips need counts as often.
        num_headers: Number of files whose header was read.
        num_failures: Number of these that could not be read.
    """

    cost: ReadCost
    num_files: int
    num_headers: int
    num_failures: int

    def summary(self) -> str:
        """Return one line with requests, megabytes and the share of wasted bytes."""
        cost, exact = self.cost, self.num_headers - self.num_failures == self.num_files
        line = (
            f"{cost.requests:,.0f} requests, {cost.bytes / 1e6:,.1f} MB in {self.num_files:,} readings of files; "
            f"{cost.wasted_share:.0%} of the bytes are in no block of a chip"
        )
        if cost.pixel_bytes:
            line += f"; blocks hold {cost.needed_bytes / cost.pixel_bytes:.1f} bytes for each byte of pixels"
        return line if exact else f"{line} (from the headers of {self.num_headers - self.num_failures:,} files)"


def estimate(
    reads: Sequence[AssetRead], access: Access, *, threads: int = 8, num_files: int = 0, num_windows: int = 0
) -> Estimate:
    """Return what `fetch` will take if no request fails.

    Files whose header is not read count as the mean of those that are, in proportion to their number of windows.

    Args:
        reads: Files whose header is read, and their windows.
        access: How files are opened.
        threads: Headers read at a time.
        num_files: Number of all files; by default those in `reads`.
        num_windows: Number of windows in all files.
    """
    with ThreadPoolExecutor(threads) as pool:
        header_costs = list(pool.map(lambda read: _header_cost(read, access), reads))
    costs = [cost for cost in header_costs if cost is not None]
    windows = sum(len(read.grids) for read, cost in zip(reads, header_costs, strict=True) if cost is not None)
    total = sum(costs, ReadCost())
    num_files = num_files or len(reads)
    if windows and len(costs) < num_files:
        total = total * ((num_windows or sum(len(read.grids) for read in reads)) / windows)
    return Estimate(total, num_files, len(reads), len(reads) - len(costs))


def _header_cost(read: AssetRead, access: Access) -> ReadCost | None:
    """Return what it takes to read a file, or None if its header cannot be read."""
    try:
        return read_cost(access.location(read.href), read.grids, options=access.gdal_options(read.href))
    except RasterError:
        return None
