"""Join the pieces of a map to a Cloud-Optimized GeoTIFF; blocks are copied as they are compressed."""

import errno
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from instageo.errors import RasterError
from instageo.files import atomic_path, find_unfinished
from instageo.raster.grid import Grid
from instageo.raster.map_files.cog_structure import frame_block, start_cog
from instageo.raster.map_files.layout import MapLayout, Piece
from instageo.raster.map_files.pieces import GDAL_OPTIONS, PieceStore, creation_options
from instageo.raster.map_files.tiff import Directory, TagCode, read_directory
from instageo.raster.writing import ClassLegend, describe_layers, georeference_options
from instageo.wording import counted


@dataclass(frozen=True)
class LayerScale:
    """Stored value · scale + offset = value."""

    scale: float = 1.0
    offset: float = 0.0


def join_pieces(
    store: PieceStore,
    path: str | Path,
    *,
    grid: Grid,
    tags: Mapping[str, str] | None = None,
    band_names: Sequence[str] = (),
    legend: ClassLegend | None = None,
    scales: Sequence[LayerScale] = (),
) -> None:
    """Write the pieces of a map as one Cloud-Optimized GeoTIFF; readers see the old file or the new one, never a part.

    The same pieces give the same bytes. Nothing is decompressed, and the memory does not grow with the map but for the
    tables of its blocks. Every block is in the file, also if it has only no-data, because most readers other than GDAL
    cannot read files without.

    Args:
        store: Must have all pieces.
        path: Output path; missing folders are created.
        grid: Must have the shape of the map.
        tags: Tags of the file.
        band_names: Layer names.
        legend: Names and colours of classes.
        scales: Scale and offset tags of the layers; none by default.

    Raises:
        ValueError: Grid or scales do not fit the layout.
        RasterError: Pieces are missing, or GDAL cannot describe such a file.
        WriteError: The disk refuses the file.
    """
    path, layout = Path(path), store.layout
    if grid.shape != (layout.height, layout.width) or len(scales) not in (0, layout.layers):
        raise ValueError(f"grid {grid.shape} and {len(scales)} scales; the layout is {layout}")
    if missing := store.missing():
        raise RasterError(
            f"{path}: cannot be joined, because {counted(len(missing), 'piece', 'are')} missing in {store.folder}; "
            "run again to make what is missing"
        )
    directory = _full_resolution_directory(path, layout, grid, tags or {}, band_names, legend, scales)
    tables = [_PieceTables(store, level) for level in range(len(layout.level_shapes))]
    head, num_bytes = start_cog(directory, layout.level_shapes, [level.sizes.ravel() for level in tables])
    for leftover in find_unfinished([path]):
        leftover.unlink(missing_ok=True)

    def verify(temporary: Path) -> None:
        if (size := temporary.stat().st_size) != num_bytes:
            raise OSError(errno.EIO, f"{size} of {num_bytes} bytes were written")

    with atomic_path(path, verify=verify) as temporary, temporary.open("wb") as file:
        file.write(head)
        for level in reversed(tables):
            for block in level.blocks():
                file.writelines(frame_block(block))


def _full_resolution_directory(
    path: Path,
    layout: MapLayout,
    grid: Grid,
    tags: Mapping[str, str],
    band_names: Sequence[str],
    legend: ClassLegend | None,
    scales: Sequence[LayerScale],
) -> Directory:
    """Return the tags that GDAL writes for a file of this size; its blocks are left out."""
    options = creation_options(layout) | georeference_options(grid) | {"SPARSE_OK": True}
    try:
        with rasterio.Env(**GDAL_OPTIONS), MemoryFile() as memory:
            with memory.open(**options, height=layout.height, width=layout.width) as target:
                describe_layers(target, band_names, legend, tags)
                if scales:
                    target.scales = [layer.scale for layer in scales]
                    target.offsets = [layer.offset for layer in scales]
            memory.seek(0)
            return read_directory(memory)
    except RasterioError as error:
        raise RasterError(f"{path}: cannot be written ({error})") from error


class _PieceTables:
    """Where the blocks of one level are in its pieces.

    Attributes:
        sizes: Bytes of each block, shape (L, rows of blocks, columns of blocks).
    """

    def __init__(self, store: PieceStore, level: int) -> None:
        layout = store.layout
        self._store, self._num_rows = store, layout.num_rows(level)
        self._panels = [(Piece(level, column, 0), blocks) for column, blocks in _panels(layout, level)]
        shape = layout.layers, self._num_rows, self._panels[-1][1].stop
        self.sizes = np.zeros(shape, np.int64)
        self._offsets = np.zeros(shape, np.int64)
        for row in range(self._num_rows):
            for panel, blocks in self._panels:
                path = store.path(panel._replace(row=row))
                part = np.s_[:, row, blocks.start : blocks.stop]
                try:
                    with path.open("rb") as file:
                        directory = read_directory(file)
                    for table, code in ((self.sizes, TagCode.TILE_BYTE_COUNTS), (self._offsets, TagCode.TILE_OFFSETS)):
                        table[part] = directory[code].numbers.reshape(layout.layers, len(blocks))
                except (struct.error, KeyError, ValueError) as error:
                    raise _damaged(path) from error

    def blocks(self) -> Iterator[bytes]:
        """Yield the compressed blocks layer by layer and row by row."""
        for layer in range(len(self.sizes)):
            for row in range(self._num_rows):
                for panel, blocks in self._panels:
                    with self._store.path(panel._replace(row=row)).open("rb") as file:
                        for block in blocks:
                            yield _read_block(file, self._offsets[layer, row, block], self.sizes[layer, row, block])


def _panels(layout: MapLayout, level: int) -> list[tuple[int, range]]:
    return [(column, blocks) for column, blocks in enumerate(layout.block_ranges[level]) if blocks]


def _read_block(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    block = file.read(size)
    if not offset or not size or len(block) != size:
        raise _damaged(file.name)
    return block


def _damaged(path: str | Path) -> RasterError:
    return RasterError(f"{path}: this piece of a map is damaged; remove it and run the command again")
