"""Windows of chips by file, so that each file is opened once; what reading and its estimate share."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from instageo.data.items.item import Asset
from instageo.data.reading.asset_windows import AssetWindow, asset_window
from instageo.data.reading.requests import AssetRead
from instageo.errors import RasterError
from instageo.raster.grid import Grid

GridOf = Callable[[Asset], Grid]
"""Returns the grid of a file from its header."""


@dataclass(frozen=True)
class FileReads:
    """Windows by file.

    Attributes:
        reads: One read for each file.
        members: For each file the positions of its windows in the list that was grouped, and the windows.
        unfit: Why other positions have no window, by position: the pixels of the file do not fit those of the chip.
    """

    reads: tuple[AssetRead, ...]
    members: tuple[tuple[tuple[int, AssetWindow], ...], ...]
    unfit: dict[int, str]


def group_by_file(assets: Sequence[tuple[Grid, Asset]], grid_of: GridOf, margin_m: float = 0.0) -> FileReads:
    """Return the windows of chips in files, by file.

    Args:
        assets: Grid of a chip, and the file that is read there.
        grid_of: Returns the grid of a file whose record does not give it.
        margin_m: Distance by which windows reach beyond the chip, metres.
    """
    by_file: dict[str, list[tuple[int, AssetWindow]]] = defaultdict(list)
    unfit: dict[int, str] = {}
    for position, (chip, asset) in enumerate(assets):
        try:
            file = asset.grid if asset.grid is not None else grid_of(asset)
            by_file[asset.href].append((position, _window(chip, file, margin_m)))
        except RasterError as error:
            unfit[position] = str(error)
    members = tuple(tuple(own) for own in by_file.values())
    reads = tuple(AssetRead(href, tuple(window.grid for _, window in own)) for href, own in by_file.items())
    return FileReads(reads, members, unfit)


_window = lru_cache(maxsize=4096)(asset_window)
"""The files of an image share their windows."""
