"""Tiles of a scene as samples: strips are read once, and cut into the overlapping tiles of one row at a time."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from instageo.model.chips.chip_format import ChipFormat, LayerScaling
from instageo.model.chips.dates_and_location import Coordinates
from instageo.model.chips.image import exclude_no_backscatter, scale_layers
from instageo.model.chips.sample import Sample
from instageo.model.gpu.copies import GpuCopies
from instageo.raster.scenes.pixel_scene import OpenRows, PixelScene
from instageo.raster.scenes.strip_buffer import StripBuffer
from instageo.raster.scenes.strips import Strip, StripReader

REMOTE_THREADS = 2
"""Threads that read files behind URLs, which answer slowly; files on disks are read by one."""

GPU_THREADS = 4
"""Threads that read for a GPU."""

Locate = Callable[[Sequence[float], Sequence[float]], Coordinates]
"""Returns dates (N, T, 2) and locations (N, 2) of N positions in a scene, given by their rows and columns."""


@dataclass(frozen=True)
class SceneInput:
    """A scene, and how its layers become an image.

    Attributes:
        name: What the user calls it, for messages.
        scene: Its grid and layers.
        open_rows: Opens its rows.
        chip_format: Number of dates, scale and no-data value.
        scaling: Factor and offset of each layer; None for those of `chip_format`.
        locate: Returns dates and locations of positions in it.
        stamp: What its pixels depend on, as JSON values.
    """

    name: str
    scene: PixelScene
    open_rows: OpenRows
    chip_format: ChipFormat
    scaling: LayerScaling | None
    locate: Locate
    stamp: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class UploadedStrip(Strip):
    """A strip whose scaled image (C, T, h, w) and validity are on a GPU, too."""

    sample: Sample


class TileRows:
    """The pixels of one panel of a scene, row of tiles by row of tiles.

    Args:
        source: The scene.
        columns: Columns to read.
        rows: Rows to read.
        copies: Copies pixels to the GPU on which batches are wanted; None for batches in main memory.
    """

    def __init__(self, source: SceneInput, columns: slice, rows: slice, copies: GpuCopies | None = None) -> None:
        self._source, self._columns, self._copies = source, columns, copies
        threads = GPU_THREADS if copies else REMOTE_THREADS if source.scene.is_remote else 1
        reader = StripReader(source.scene, source.open_rows, columns, rows, threads=threads, prepare=self._prepare)
        self._strips = self._read(reader)
        self._uploaded: deque[tuple[int, Sample]] = deque()
        self._buffer = StripBuffer()
        self._stop = rows.start

    def __enter__(self) -> "TileRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._strips.close()  # ends its threads

    @staticmethod
    def _read(reader: StripReader) -> Generator[Strip, None, None]:
        yield from reader

    def read_until(self, stop: int) -> None:
        """Read strips until all rows before `stop` are there."""
        while self._stop < stop:
            strip = next(self._strips)
            if isinstance(strip, UploadedStrip):
                self._uploaded.append((strip.row, strip.sample))
            self._buffer.append(strip)
            self._stop = strip.row + strip.values.shape[1]

    def forget_before(self, row: int) -> None:
        """Release the rows before `row`."""
        self._buffer.drop_before(row)
        while self._uploaded and self._uploaded[0][0] + self._uploaded[0][1].image.shape[-2] <= row:
            self._uploaded.popleft()

    def valid(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return which pixels are observed at each date, (T, h, w)."""
        parts = self._buffer.parts(rows, columns)
        return parts[0].valid if len(parts) == 1 else np.concatenate([part.valid for part in parts], axis=1)

    def wanted(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return where a map is to show something: observed at some date and not excluded, (T, h, w)."""
        valid, chosen = self.valid(rows, columns), self._source.scene.wanted(rows, columns)
        return valid if chosen is None else valid & chosen

    def batch(self, rows: slice, columns: Sequence[slice]) -> Sample:
        """Return tiles of one size as a batch with scaled values, dates and locations.

        Args:
            rows: Rows of all tiles.
            columns: Columns of each tile.
        """
        middles = [(window.start + window.stop) / 2 for window in columns]
        times, locations = self._source.locate([(rows.start + rows.stop) / 2] * len(columns), middles)
        pixels = self._cut_on_gpu(rows, columns) if self._copies else self._cut_all(rows, columns)
        coordinates = torch.tensor(times), torch.from_numpy(locations)
        return replace(pixels, temporal_coords=coordinates[0], location_coords=coordinates[1])

    def _cut_all(self, rows: slice, columns: Sequence[slice]) -> Sample:
        scene = self._source.scene
        shape = scene.num_dates, rows.stop - rows.start, columns[0].stop - columns[0].start
        image = np.empty((len(columns), scene.num_layers // scene.num_dates, *shape), np.float32)
        valid = np.empty((len(columns), *shape), bool)
        for number, window in enumerate(columns):
            self._cut(rows, window, image[number], valid[number])
        return Sample(torch.from_numpy(image), torch.from_numpy(valid))

    def _cut_on_gpu(self, rows: slice, columns: Sequence[slice]) -> Sample:
        left = self._columns.start
        parts = [
            sample.crop(slice(max(rows.start - top, 0), max(rows.stop - top, 0)), slice(None))
            for top, sample in self._uploaded
        ]
        image, valid = torch.cat([part.image for part in parts], -2), torch.cat([part.valid for part in parts], -2)
        windows = [np.s_[..., column.start - left : column.stop - left] for column in columns]
        return Sample(torch.stack([image[own] for own in windows]), torch.stack([valid[own] for own in windows]))

    def _cut(self, rows: slice, columns: slice, image: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        source = self._source
        for part in self._buffer.parts(rows, columns):
            scale_layers(
                part.values, part.valid, source.chip_format, source.name, source.scaling, out=image[:, :, part.rows]
            )
            valid[:, part.rows] = part.valid

    def _prepare(self, strip: Strip) -> Strip:
        """Return a strip without invalid backscatter, and with its image on the GPU if batches are wanted there."""
        source = self._source
        if source.chip_format.radar_unit is not None:
            valid = exclude_no_backscatter(strip.values, strip.valid, source.chip_format, source.name, source.scaling)
            strip = replace(strip, valid=valid)
        if self._copies is None:
            return strip
        image = scale_layers(strip.values, strip.valid, source.chip_format, source.name, source.scaling)
        sample = self._copies.upload(Sample(torch.from_numpy(image), torch.from_numpy(strip.valid)))
        return UploadedStrip(strip.row, strip.values, strip.valid, strip.column, sample=sample)
