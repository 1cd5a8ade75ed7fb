"""Windows of files of a catalogue, by whole blocks: each is fetched once, by few requests, and kept in a cache."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from instageo.data.catalogs.access import Access, is_local
from instageo.data.reading.block_cache import Block, BlockCache
from instageo.data.reading.fetch import fetch_one
from instageo.data.reading.hosts import Hosts
from instageo.data.reading.in_flight import InFlight
from instageo.data.reading.requests import AssetRead, ReadFailure
from instageo.errors import RasterError
from instageo.raster.chip_windows.block_cost import ReadCost
from instageo.raster.chip_windows.window_reading import FileWindows
from instageo.raster.grid import Grid, Window
from instageo.raster.warp import crs_code, same_crs

MIN_BLOCK_PIXELS = 1 << 16
"""Pixels of a block that is kept as a file of its own; thinner ones are kept together."""


class UnusableFileError(RasterError):
    """A file that the catalogue lists is missing, damaged, refused or elsewhere than its record says.

    Another try is of no use.

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
        no_data: Stored value of pixels without an observation, where the file has no tag; None if there is none.
        grid: Pixels by its record, perhaps those of another file of the image; None if the record does not say.
    """

    href: str
    stamp: str = ""
    no_data: float | None = None
    grid: Grid | None = field(default=None, compare=False)

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
        dtype: Type of its values.
        no_data: No-data tag; None without one.
    """

    grid: Grid
    block_shape: tuple[int, int]
    dtype: str
    no_data: float | None


class CatalogFiles:
    """Reads windows of files; safe in threads, which wait for blocks that another one is fetching.

    Blocks of files on this machine are not kept; the paths of such files may be relative, which is no identity.

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
        self._headers_coming = InFlight[str, FileHeader]()
        self._blocks_coming = InFlight[tuple[str, int, int], Block]()
        self._lock = threading.Lock()
        self.cost = ReadCost()

    def __reduce__(self) -> tuple[type["CatalogFiles"], tuple[Callable[[], Access], BlockCache, int]]:
        """Return how another process opens the same files."""
        return CatalogFiles, (self._open_access, self._cache, self._threads)

    def read_header(self, file: CatalogFile) -> FileHeader:
        """Return the header of a file, which is read once.

        Raises:
            UnusableFileError: The file is missing, damaged or refused.
            RasterError: The file cannot be read.
        """
        with self._headers_coming.claim([file.href]) as claimed:
            if claimed.own:
                claimed.finish(file.href, self._headers.get(file.href) or self._fetch_header(file))
            [header] = claimed.wait().values()
        return header

    def read(self, file: CatalogFile, window: Window) -> Block:
        """Return stored values and validity, both (h, w), of a window inside a file.

        Raises:
            UnusableFileError: The file is missing, damaged or refused.
            RasterError: The file cannot be read.
        """
        header = self.read_header(file)
        with self._blocks_coming.claim(
            [(file.identity, *block) for block in _blocks(window, header.block_shape)]
        ) as claimed:
            missing = []
            for key in claimed.own:
                if (cached := self._cached(file, key[1:])) is None:
                    missing.append(key[1:])
                else:
                    claimed.finish(key, cached)
            for block, content in self._fetch_blocks(file, missing):
                claimed.finish((file.identity, *block), content)
            blocks = {key[1:]: block for key, block in claimed.wait().items()}
        return _assemble(window, header, blocks)

    def _cached(self, file: CatalogFile, block: tuple[int, int]) -> Block | None:
        """Return a block that was kept; None without one, or if the file has blocks of another shape or type by now."""
        if is_local(file.href):
            return None
        cached, header = self._cache.get(file.identity, *block), self._headers[file.href]
        if cached is None or cached[0].dtype != header.dtype or cached[0].shape != _block_grid(header, block).shape:
            return None
        return cached

    def _fetch_header(self, file: CatalogFile) -> FileHeader:
        read = self._fetch(file, ())
        if read.grid is None:
            raise UnusableFileError(file.href, self._access.explain(file.href, "has no grid"))
        if file.grid is not None and not _same_place(file.grid, read.grid):
            reason = f"lies at {_describe(read.grid)}, but its record says {_describe(file.grid)}"
            raise UnusableFileError(file.href, self._access.explain(file.href, reason))
        header = FileHeader(read.grid, _kept_shape(read.block_shape), read.dtype, read.no_data_value)
        self._headers[file.href] = header
        return header

    def _fetch_blocks(
        self, file: CatalogFile, blocks: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[tuple[int, int], Block]]:
        if not blocks:
            return
        read = self._fetch(file, tuple(_block_grid(self._headers[file.href], block) for block in blocks))
        for block, values, valid in zip(blocks, read.values, read.valid, strict=True):
            if read.no_data_value is None and file.no_data is not None and values.dtype.kind in "iuf":
                valid = valid & (values != values.dtype.type(file.no_data))
            if not is_local(file.href):
                self._cache.put(file.identity, *block, (values, valid))
            yield block, (values, valid)

    def _fetch(self, file: CatalogFile, grids: tuple[Grid, ...]) -> FileWindows:
        result = fetch_one(AssetRead(file.href, grids), self._access, self._hosts)
        if isinstance(result, ReadFailure):
            if result.is_lasting:
                raise UnusableFileError(file.href, result.message)
            raise RasterError(result.message)
        with self._lock:
            self.cost += result.cost
        return result


def _same_place(first: Grid, second: Grid) -> bool:
    """Return whether two grids have the same edges, within a pixel; their pixels may differ in size."""
    if first.crs is None or second.crs is None or not same_crs(first.crs, second.crs):
        return False
    pixel = max(abs(first.transform.a), abs(second.transform.a))
    return bool(np.abs(np.subtract(_edges(first), _edges(second))).max() <= pixel)


def _edges(grid: Grid) -> list[float]:
    xs, ys = grid.to_crs([0, grid.height], [0, grid.width])
    return [*sorted(xs), *sorted(ys)]


def _describe(grid: Grid) -> str:
    code = crs_code(grid.crs) if grid.crs else ""
    west, east, south, north = _edges(grid)
    return f"{west:.0f}, {south:.0f} to {east:.0f}, {north:.0f} m" + (f" (EPSG:{code})" if code else "")


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


def _assemble(window: Window, header: FileHeader, blocks: Mapping[tuple[int, int], Block]) -> Block:
    """Return the window from its blocks."""
    rows, columns = window
    shape = max(rows.stop - rows.start, 0), max(columns.stop - columns.start, 0)
    values, valid = np.zeros(shape, header.dtype), np.zeros(shape, bool)
    for block, (own_values, own_valid) in blocks.items():
        top, left = (number * size for number, size in zip(block, header.block_shape, strict=True))
        target, source = [], []
        for start, part, length in ((top, rows, own_values.shape[0]), (left, columns, own_values.shape[1])):
            first, last = max(start, part.start), min(start + length, part.stop)
            target.append(slice(first - part.start, last - part.start))
            source.append(slice(first - start, last - start))
        values[tuple(target)], valid[tuple(target)] = own_values[tuple(source)], own_valid[tuple(source)]
    return values, valid
