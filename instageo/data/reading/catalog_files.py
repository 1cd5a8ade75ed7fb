"""Windows of files of a catalogue, by whole blocks: each is fetched once, by few requests, and kept in a cache."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.catalogs.access import Access
from instageo.data.output.skipped import Reason
from instageo.data.reading.block_cache import Block, BlockCache
from instageo.data.reading.fetch import fetch
from instageo.data.reading.hosts import Hosts
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.errors import RasterError
from instageo.raster.chip_windows.block_cost import ReadCost
from instageo.raster.chip_windows.window_reading import FileWindows
from instageo.raster.grid import Grid, Window

MIN_BLOCK_PIXELS = 1 << 16
"""Pixels of a block that is kept as a file of its own; thinner ones are kept together."""


class UnusableFileError(RasterError):
    """A file that the catalogue lists is missing, or has other pixels than its record says; another try is of no use.

    Attributes:
        href: Its address.
    """

    def __init__(self, href: str, message: str) -> None:
        super().__init__(message)
        self.href = href

    def __reduce__(self) -> tuple[type["UnusableFileError"], tuple[str, str]]:
        """Return how the error is made again in another process."""
        return UnusableFileError, (self.href, str(self))


@dataclass(frozen=True)
class CatalogFile:
    """A file of an image.

    Attributes:
        href: Address as the catalogue gives it, without a signature.
        stamp: What changes when the content behind the address does, such as the time of processing.
        no_data: Stored value of pixels without an observation, where the file has no tag; None without one.
    """

    href: str
    stamp: str = ""
    no_data: float | None = None

    @property
    def identity(self) -> str:
        """Name of the file in the cache."""
        return f"{self.href}\n{self.stamp}\n{self.no_data}"


@dataclass(frozen=True)
class FileHeader:
    """What the header of a file says.

    Attributes:
        grid: Its pixels.
        block_shape: Rows and columns of the blocks that are kept: those of the file, or several below each other.
        no_data: No-data tag; None without one.
    """

    grid: Grid
    block_shape: tuple[int, int]
    no_data: float | None


class CatalogFiles:
    """Reads windows of files; safe in threads, which wait for blocks that another one is fetching.

    Other processes that get one open files by themselves, with logins and signatures of their own.

    Args:
        open_access: Returns how files of the catalogue are opened.
        cache: Where blocks are kept.
        threads: Files that are read at a time from one host, by all threads together.
    """

    def __init__(self, open_access: Callable[[], Access], cache: BlockCache, threads: int = 8) -> None:
        self._open_access, self._cache, self._threads = open_access, cache, threads
        self._access, self._hosts = open_access(), Hosts(threads)
        self._headers: dict[str, FileHeader] = {}
        self._coming: dict[tuple[str, int, int], Future[Block]] = {}
        self._lock = threading.Lock()
        self.cost = ReadCost()

    def __reduce__(self) -> tuple[type["CatalogFiles"], tuple[Callable[[], Access], BlockCache, int]]:
        """Return how another process opens the same files."""
        return CatalogFiles, (self._open_access, self._cache, self._threads)

    def read_headers(self, files: Iterable[CatalogFile]) -> list[FileHeader]:
        """Return the header of each file; each is read once.

        Raises:
            UnusableFileError: A file is missing.
            RasterError: A file cannot be read.
        """
        files = list(files)
        missing = [file for file in dict.fromkeys(files) if file.href not in self._headers]
        for file, read in self._fetch([(file, ()) for file in missing]):
            if read.grid is None:
                raise UnusableFileError(file.href, f"{file.href}: has no grid")
            self._headers[file.href] = FileHeader(read.grid, _kept_shape(read.block_shape), read.no_data_value)
        return [self._headers[file.href] for file in files]

    def read(self, requests: Sequence[tuple[CatalogFile, Window]]) -> list[Block]:
        """Return stored values and validity, both (h, w), of windows inside files.

        Raises:
            UnusableFileError: A file is missing.
            RasterError: A file cannot be read.
        """
        headers = self.read_headers(file for file, _ in requests)
        blocks_read: dict[tuple[str, int, int], Block] = {}
        own: dict[CatalogFile, list[tuple[int, int]]] = defaultdict(list)
        others: dict[tuple[str, int, int], Future[Block]] = {}
        requested = {
            (file.identity, *block): (file, block)
            for (file, window), header in zip(requests, headers, strict=True)
            for block in _blocks(window, header.block_shape)
        }
        for key, (file, block) in requested.items():
            with self._lock:
                if (coming := self._coming.get(key)) is not None:
                    others[key] = coming
                    continue
                self._coming[key] = Future()
            cached = self._cache.get(file.identity, *block)
            if cached is None:
                own[file].append(block)
            else:
                blocks_read[key] = cached
                self._finish(key, cached)
        try:
            self._fetch_blocks(own, blocks_read)
        except BaseException as error:
            self._give_up(own, blocks_read, error)
            raise
        blocks_read |= {key: coming.result() for key, coming in others.items()}
        return [
            _assemble(file, window, header, blocks_read)
            for (file, window), header in zip(requests, headers, strict=True)
        ]  # fmt: skip

    def _fetch_blocks(
        self, missing: dict[CatalogFile, list[tuple[int, int]]], blocks_read: dict[tuple[str, int, int], Block]
    ) -> None:
        reads = [
            (file, tuple(_block_grid(self._headers[file.href], block) for block in blocks))
            for file, blocks in missing.items()
        ]
        for file, read in self._fetch(reads):
            for block, values, valid in zip(missing[file], read.values, read.valid, strict=True):
                if read.no_data_value is None and file.no_data is not None and values.dtype.kind in "iuf":
                    valid = valid & (values != values.dtype.type(file.no_data))
                key = (file.identity, *block)
                blocks_read[key] = values, valid
                self._cache.put(file.identity, *block, blocks_read[key])
                self._finish(key, blocks_read[key])

    def _fetch(
        self, reads: Sequence[tuple[CatalogFile, tuple[Grid, ...]]]
    ) -> Iterable[tuple[CatalogFile, FileWindows]]:
        if not reads:
            return
        for position, result in fetch(
            [AssetRead(file.href, grids) for file, grids in reads],
            self._access,
            threads=min(self._threads, len(reads)),
            hosts=self._hosts,
        ):
            file = reads[position][0]
            if isinstance(result, ReadFailure):
                if result.reason in (Reason.ASSET_MISSING, Reason.GRID_DIFFERS):
                    raise UnusableFileError(file.href, result.message)
                raise RasterError(result.message)
            with self._lock:
                self.cost += result.cost
            yield file, result

    def _finish(self, key: tuple[str, int, int], block: Block) -> None:
        with self._lock:
            coming = self._coming.pop(key)
        coming.set_result(block)

    def _give_up(
        self,
        missing: dict[CatalogFile, list[tuple[int, int]]],
        blocks_read: dict[tuple[str, int, int], Block],
        error: BaseException,
    ) -> None:
        """Let threads that wait for blocks of this one fail with it."""
        for file, blocks in missing.items():
            for block in blocks:
                key = (file.identity, *block)
                if key not in blocks_read:
                    with self._lock:
                        coming = self._coming.pop(key)
                    coming.set_exception(error)


def _kept_shape(stored: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of blocks to keep: rows of many thin blocks, such as single rows, are kept together."""
    height, width = stored
    return height * max(round(MIN_BLOCK_PIXELS / (height * width)), 1), width


def _blocks(window: Window, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Return rows and columns of the blocks that a window touches."""
    rows, columns = (
        range(part.start // size, -(-part.stop // size)) if part.stop > part.start else range(0)
        for part, size in zip(window, shape, strict=True)
    )
    return [(row, column) for row in rows for column in columns]


def _block_grid(header: FileHeader, block: tuple[int, int]) -> Grid:
    """Return the pixels of a block; those at the lower and right border are smaller."""
    row, column = (number * size for number, size in zip(block, header.block_shape, strict=True))
    height = min(header.block_shape[0], header.grid.height - row)
    width = min(header.block_shape[1], header.grid.width - column)
    return header.grid.window(row, column, height, width)


def _assemble(
    file: CatalogFile, window: Window, header: FileHeader, blocks_read: dict[tuple[str, int, int], Block]
) -> Block:
    """Return the window from its blocks."""
    rows, columns = window
    blocks = _blocks(window, header.block_shape)
    shape = max(rows.stop - rows.start, 0), max(columns.stop - columns.start, 0)
    if not blocks:
        return np.zeros(shape, np.uint8), np.zeros(shape, bool)
    dtype = blocks_read[file.identity, *blocks[0]][0].dtype
    values: NDArray[np.generic] = np.empty(shape, dtype)
    valid = np.empty(shape, bool)
    for block in blocks:
        own_values, own_valid = blocks_read[file.identity, *block]
        top, left = (number * size for number, size in zip(block, header.block_shape, strict=True))
        target, source = [], []
        for start, part, length in ((top, rows, own_values.shape[0]), (left, columns, own_values.shape[1])):
            first, last = max(start, part.start), min(start + length, part.stop)
            target.append(slice(first - part.start, last - part.start))
            source.append(slice(first - start, last - start))
        values[tuple(target)], valid[tuple(target)] = own_values[tuple(source)], own_valid[tuple(source)]
    return values, valid
