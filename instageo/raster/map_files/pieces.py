"""Pieces of a map on disk: written one by one, whole or not at all, so that a killed run can go on."""

import errno
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from instageo.errors import RasterError
from instageo.files import atomic_path, remove_partial_files, write_errors
from instageo.raster.map_files.layout import MapLayout, Piece
from instageo.raster.map_files.overviews import halve_classes, halve_values

GDAL_OPTIONS = {"GDAL_CACHEMAX": 64, "GDAL_NUM_THREADS": "1", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
"""Each piece is written and read once, so a larger cache of blocks only takes memory."""

SEAL_BYTES = 4
"""Bytes after the TIFF of a piece: a checksum of it and of the layout."""

PLACE = Affine.scale(2, -2)
"""Any transform but the identity and its flip, so that rasterio does not warn of a missing one."""


def creation_options(layout: MapLayout) -> dict[str, object]:
    """Return rasterio's options for files whose compressed blocks are those of the map."""
    options: dict[str, object] = {
        "driver": "GTiff", "dtype": layout.dtype, "count": layout.layers, "nodata": layout.no_data, "tiled": True,
        "blockxsize": layout.block, "blockysize": layout.block, "interleave": "band", "compress": "deflate",
        "zlevel": layout.codec.level, "predictor": layout.codec.predictor, "photometric": "MINISBLACK", "alpha": "NO",
        "endianness": "LITTLE", "BIGTIFF": "NO",
    }  # fmt: skip
    return options


class PieceStore:
    """Folder with the pieces of one raster file, each a TIFF whose blocks are those of the joined file.

    A piece exists only when it is on the disk in full, so the names in the folder say what is done. Call `repair`
    before the first use in a run. Different pieces may be written at the same time.

    Args:
        folder: Holds nothing else; made when the first piece is written.
        layout: How the file is split; pieces of another layout count as damaged.
    """

    def __init__(self, folder: str | Path, layout: MapLayout) -> None:
        self.folder, self.layout = Path(folder), layout
        self._salt = zlib.crc32(repr(layout).encode())

    def path(self, piece: Piece) -> Path:
        """Return where a piece is or will be."""
        return self.folder / f"level{piece.level}-column{piece.column}-row{piece.row}.tif"

    def has(self, level: int, column: int, row: int) -> bool:
        """Return whether a piece is there."""
        return self.path(Piece(level, column, row)).exists()

    def missing(self) -> list[Piece]:
        """Return the pieces that are not there, full resolution first, each panel from top to bottom."""
        return [piece for piece in self.layout.pieces() if not self.has(*piece)]

    def write_rows(self, column: int, row: int, values: NDArray[np.generic]) -> None:
        """Write a piece at full resolution, and every overview piece for which it was the last one missing.

        Args:
            column: Number of the column panel.
            row: Number of the row of blocks.
            values: Shape (L, h, w) of the piece, in the type of the map.

        Raises:
            ValueError: Shape or type do not fit the layout.
            WriteError: The disk refuses a piece.
        """
        self.write(0, column, row, values)
        self._write_dependents(Piece(0, column, row))

    def write(self, level: int, column: int, row: int, values: NDArray[np.generic]) -> None:
        """Write one piece, in place of an earlier one; overviews of that are removed.

        Raises:
            ValueError: Shape or type do not fit the layout.
            WriteError: The disk refuses the piece.
        """
        piece = Piece(level, column, row)
        expected = self.layout.shape(piece)
        if values.shape != expected or values.dtype != self.layout.dtype:
            raise ValueError(f"values {values.shape} of {values.dtype}; {piece} has {expected} of {self.layout.dtype}")
        if self.has(*piece):
            self._remove_dependents(piece)
        self._write_whole(piece, values)

    def read(self, piece: Piece, blocks: range | None = None) -> NDArray[np.generic]:
        """Return the pixels of a piece, shape (L, h, w).

        Args:
            piece: Which piece.
            blocks: Blocks to read, counted from the left of the map; all of the piece by default.

        Raises:
            RasterError: It is missing or damaged.
        """
        _, height, width = self.layout.shape(piece)
        first, last = 0, width
        if blocks is not None:
            start = self.layout.block_ranges[piece.level][piece.column].start
            first, last = ((edge - start) * self.layout.block for edge in (blocks.start, blocks.stop))
        path = self.path(piece)
        try:
            with rasterio.Env(**GDAL_OPTIONS), rasterio.open(path, driver="GTiff", sharing=False) as source:
                window = Window(first, 0, min(last, width) - first, height)
                values: NDArray[np.generic] = source.read(window=window)
                return values
        except RasterioError as error:
            raise RasterError(f"{path}: cannot be read ({error}); run the command again") from error

    def repair(self) -> None:
        """Remove what a killed run or a failing disk has left unusable, and make the overview pieces that are missing.

        Temporary files and pieces that are damaged or of another layout are removed, with the overviews of these;
        overview pieces are made where all their sources are there.

        Raises:
            WriteError: The disk refuses a file.
        """
        with write_errors(self.folder):
            remove_partial_files(self.folder)
            expected = {self.path(piece): piece for piece in self.layout.pieces()}
            found = list(self.folder.glob("*.tif"))
            for path in [path for path in found if path not in expected or not self._is_whole(path)]:
                path.unlink(missing_ok=True)
                if path in expected:
                    self._remove_dependents(expected[path])
        for piece in expected.values():
            sources = self.layout.sources(piece)
            if not sources:
                continue
            if not all(self.has(*source) for source in sources):
                self._remove(piece)
            elif not self.has(*piece):
                self._write_overview(piece, sources)

    def _write_whole(self, piece: Piece, values: NDArray[np.generic]) -> None:
        with self._encode(values) as tiff:
            expected_bytes = len(tiff) + SEAL_BYTES

            def verify(temporary: Path) -> None:
                if (size := temporary.stat().st_size) != expected_bytes or not self._is_whole(temporary):
                    raise OSError(errno.EIO, f"{size} of {expected_bytes} bytes were written, or other ones")

            with atomic_path(self.path(piece), verify=verify) as temporary, temporary.open("wb") as file:
                file.write(tiff)
                file.write(zlib.crc32(tiff, self._salt).to_bytes(SEAL_BYTES, "little"))

    @contextmanager
    def _encode(self, values: NDArray[np.generic]) -> Iterator[memoryview]:
        """Yield the bytes of a TIFF with whole blocks: beyond the border of the map lies no-data."""
        bottom, right = (-side % self.layout.block for side in values.shape[1:])
        if bottom or right:
            values = np.pad(values, ((0, 0), (0, bottom), (0, right)), constant_values=self.layout.no_data or 0)
        shape = {"height": values.shape[1], "width": values.shape[2]}
        # GDAL does not report an error of the disk when a file is closed. It therefore writes to memory.
        try:
            with rasterio.Env(**GDAL_OPTIONS), MemoryFile() as memory:
                with memory.open(**creation_options(self.layout), **shape, transform=PLACE) as target:
                    target.write(values)
                yield memory.getbuffer()
        except RasterioError as error:
            raise RasterError(f"{self.folder}: a piece of the map cannot be made ({error})") from error

    def _is_whole(self, path: Path) -> bool:
        """Return whether a file ends with the checksum of its content and of this layout."""
        with path.open("rb") as file:
            size = file.seek(0, 2) - SEAL_BYTES
            file.seek(0)
            return size > 0 and _checksum(file, size, self._salt).to_bytes(SEAL_BYTES, "little") == file.read()

    def _write_dependents(self, piece: Piece) -> None:
        for dependent in self.layout.dependents(piece):
            sources = self.layout.sources(dependent)
            if all(self.has(*source) for source in sources):
                self._write_overview(dependent, sources)
                self._write_dependents(dependent)

    def _write_overview(self, piece: Piece, sources: list[Piece]) -> None:
        layout = self.layout
        halve = halve_classes if layout.overview == "mode" else halve_values
        values = np.empty(layout.shape(piece), layout.dtype)
        left = layout.columns(piece.column, piece.level).start
        for source in sources:
            blocks = layout.source_blocks(piece, source)
            halved = halve(self.read(source, blocks), layout.no_data)
            top = source.row % 2 * (layout.block // 2)
            start = blocks.start * layout.block // 2 - left
            values[:, top : top + halved.shape[1], start : start + halved.shape[2]] = halved
        self._write_whole(piece, values)

    def _remove_dependents(self, piece: Piece) -> None:
        """Remove overviews, the smallest first, so that none is left whose source is not there."""
        for dependent in self.layout.dependents(piece):
            self._remove(dependent)

    def _remove(self, piece: Piece) -> None:
        self._remove_dependents(piece)
        path = self.path(piece)
        with write_errors(path):
            path.unlink(missing_ok=True)


def _checksum(file: BinaryIO, num_bytes: int, start: int) -> int:
    """Return the CRC-32 of the next bytes of a file, read in parts."""
    checksum = start
    while num_bytes > 0 and (part := file.read(min(num_bytes, 1 << 20))):
        checksum = zlib.crc32(part, checksum)
        num_bytes -= len(part)
    return checksum
