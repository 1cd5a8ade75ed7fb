"""Read windows of many files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instageo.data.catalogs.access import Access
from instageo.data.output.skipped import Reason
from instageo.errors import InstaGeoError, RasterError
from instageo.raster.grid import Grid
from instageo.raster.reading import open_raster


@dataclass(frozen=True)
class AssetRead:
    """Windows to read of a file.

    Attributes:
        href: Address of the file, as the catalogue gives it.
        grids: Windows, in the file's own grid.
    """

    href: str
    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class FileWindows:
    """Windows that were read.

    Attributes:
        values: Stored values of each window, shape (H, W).
        valid: Where each has an observation, shape (H, W).
        no_data_value: No-data tag of the file.
    """

    values: tuple[NDArray[np.generic], ...]
    valid: tuple[NDArray[np.bool_], ...]
    no_data_value: float | None


@dataclass(frozen=True)
class ReadFailure:
    """A file that could not be read.

    Attributes:
        reason: The kind.
        message: One sentence.
    """

    reason: Reason
    message: str


class HostDownError(InstaGeoError):
    """A host has refused many files in a row."""


def fetch(
    reads: Sequence[AssetRead], access: Access, *, threads: int
) -> Iterator[tuple[int, FileWindows | ReadFailure]]:
    """Yield the result of each read with its position."""
    with ThreadPoolExecutor(threads) as pool:
        yield from enumerate(pool.map(lambda read: _read(read, access), reads))


def _read(read: AssetRead, access: Access) -> FileWindows | ReadFailure:
    try:
        with open_raster(access.location(read.href)) as file:
            own, values, valid = file.info.grid, [], []
            for grid in read.grids:
                row = round((grid.transform.f - own.transform.f) / own.transform.e)
                column = round((grid.transform.c - own.transform.c) / own.transform.a)
                part = file.read([0], window=(slice(row, row + grid.height), slice(column, column + grid.width)))
                values.append(part.values[0])
                valid.append(part.valid[0])
            return FileWindows(tuple(values), tuple(valid), file.info.no_data_value)
    except RasterError as error:
        return ReadFailure(Reason.NOT_READABLE, access.explain(read.href, str(error)))
