"""Files of a catalogue, opened with its access; counts what is read."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from instageo.data.catalogs.access import Access
from instageo.data.items.item import Asset
from instageo.data.reading.fetch import fetch
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.raster.chip_windows.block_cost import ReadCost
from instageo.raster.chip_windows.window_reading import FileWindows, read_grid
from instageo.raster.grid import Grid


def file_grid(asset: Asset, access: Access) -> Grid:
    """Return the grid of a file from its header.

    Raises:
        RasterError: The file cannot be read.
    """
    return read_grid(access.location(asset.href), access.gdal_options(asset.href))


class PixelSource:
    """Reads windows of files of a catalogue; a context manager, whose threads and connections all reads share.

    Args:
        access: How files of the catalogue are opened.
        threads: Number of files read at a time.
    """

    def __init__(self, access: Access, *, threads: int) -> None:
        self._access, self._threads = access, threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")
        self._grids: dict[str, Grid] = {}
        self._files = self._windows = self._failures = 0
        self._cost = ReadCost()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, reads: Sequence[AssetRead]) -> Iterator[tuple[int, FileWindows | ReadFailure]]:
        """Yield the result of each read with its position.

        Raises:
            HostDownError: A host has refused many files in a row.
        """
        for position, result in fetch(reads, self._access, per_host=self._threads, pool=self._pool):
            self._files += 1
            if isinstance(result, ReadFailure):
                self._failures += 1
            else:
                self._windows += len(result.values)
                self._cost += result.cost
            yield position, result

    def grid_of(self, asset: Asset) -> Grid:
        """Return the grid of a file whose record does not give it; its header is read once."""
        if asset.href not in self._grids:
            self._grids[asset.href] = file_grid(asset, self._access)
        return self._grids[asset.href]

    def statistics(self) -> dict[str, float]:
        """Return what was read so far; requests and bytes are counted from the files' tables of blocks.

        Repeated requests, signatures and headers that only give a grid are not counted.
        """
        return {
            "files": self._files, "windows": self._windows, "failures": self._failures,
            "requests": int(self._cost.requests), "megabytes": round(self._cost.bytes / 1e6, 3),
            "wasted_share": round(self._cost.wasted_share, 4),
            "pixel_megabytes": round(self._cost.pixel_bytes / 1e6, 3),
        }  # fmt: skip
