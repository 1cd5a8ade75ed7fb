"""Files of a catalogue, opened with its access; counts what is read."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from instageo.data.catalogs.access import Access
from instageo.data.items.item import Asset
from instageo.data.reading.fetch import fetch
from instageo.data.reading.hosts import HostDownError
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.raster.grid import Grid
from instageo.raster.reading import read_info
from instageo.raster.window_reading import FileWindows

__all__ = ["HostDownError", "PixelSource"]


class PixelSource:
    """Reads windows of files of a catalogue.

    Args:
        access: How files of the catalogue are opened.
        threads: Number of files read at a time.
    """

    def __init__(self, access: Access, *, threads: int) -> None:
        self._access, self._threads = access, threads
        self._grids: dict[str, Grid] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def read(self, reads: Sequence[AssetRead]) -> Iterator[tuple[int, FileWindows | ReadFailure]]:
        """Yield the result of each read with its position."""
        yield from fetch(reads, self._access, threads=self._threads)

    def grid_of(self, asset: Asset) -> Grid:
        """Return the grid of a file whose record does not give it, from its header."""
        if asset.href not in self._grids:
            self._grids[asset.href] = read_info(self._access.location(asset.href)).grid
        return self._grids[asset.href]

    def statistics(self) -> dict[str, float]:
        """Return what was read so far."""
        return {}
