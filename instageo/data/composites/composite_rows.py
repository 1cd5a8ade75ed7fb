"""Rows of a composite: what each image observes, then the bands of those images alone that are needed."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from instageo.data.composites.composite_scene import CompositeImage, CompositeScene, explained
from instageo.data.reading.catalog_files import CatalogFile, CatalogFiles
from instageo.data.reading.step_pixels import combine_bands
from instageo.raster.scenes.file_layers import FileLayers
from instageo.raster.scenes.file_rows import Rows
from instageo.raster.scenes.quality_layer import QualityLayer
from instageo.raster.scenes.reading_parts import ReadingStoppedError
from instageo.raster.scenes.scene import QualitySource

MAX_BYTES = 1 << 27
"""Most that the bands of all images take that are read at once."""

MIN_COLUMNS = 512
"""Fewest columns that are read at once."""

MIN_GAP = 512
"""Columns without a pixel to read that are left out, at least; fewer of them often lie in a block that is read."""

NO_IMAGE = 255
"""Number in place of an image, where none observes a pixel."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _BlockRows:
    """Rows of some columns of a file of a catalogue."""

    files: CatalogFiles
    file: CatalogFile
    columns: slice

    def read(self, start: int, stop: int) -> Rows:
        values, valid = self.files.read(self.file, (slice(start, stop), self.columns))
        return values[np.newaxis], valid[np.newaxis]


class CompositeRows:
    """Rows of some columns of a composite, in `with`, for one thread."""

    def __init__(
        self, scene: CompositeScene, columns: slice, is_stopped: Callable[[], bool] = lambda: False, threads: int = 8
    ) -> None:
        """Prepare reading.

        Args:
            scene: The scene.
            columns: Its columns.
            is_stopped: Called between parts of rows; if it returns true, `read` raises a `ReadingStoppedError`.
            threads: Files that are read at a time.
        """
        self._scene, self._columns, self._is_stopped, self._threads = scene, columns, is_stopped, threads

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="composite")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def read(self, start: int, stop: int) -> Rows:
        """Return values (L, h, w) in the unit of chips, and validity (T, h, w), of rows of the scene.

        Raises:
            UnusableImageError: An image lacks a file, or its values contradict its record.
            RasterError: A file cannot be read.
        """
        scene, shape = self._scene, (stop - start, self._columns.stop - self._columns.start)
        values = np.zeros((scene.num_layers, *shape), scene.dtype)
        valid = np.zeros((scene.num_dates, *shape), bool)
        for date, images in enumerate(scene.dates):
            bands = slice(date * len(scene.bands), (date + 1) * len(scene.bands))
            for columns in self._parts(images, slice(start, stop)):
                part = slice(columns.start - self._columns.start, columns.stop - self._columns.start)
                combined = _Part(self, slice(start, stop), columns, images)
                values[bands, :, part], valid[date, :, part] = combined.values()
        return values, valid

    def read_origins(self, start: int, date: int, shown: Mask) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the number of the image of each pixel of rows, and how many pixels each image gives.

        Which pixels an image observes is known from its quality layer; from its bands where it has none.

        Args:
            start: First row.
            date: Number of the date.
            shown: Pixels of the rows that count, shape (h, w).

        Returns:
            Numbers of images, shape (h, w): at most 254, and 255 where no image observes the pixel, or it does not
            count; for medians numbers of observations. Pixels of each image, shape (N,); for medians all that it
            observes.
        """
        images, rows = self._scene.dates[date], slice(start, start + len(shown))
        numbers, pixels = np.full(shown.shape, NO_IMAGE, np.uint8), np.zeros(len(images), np.int64)
        for columns in self._parts(images, rows):
            part = slice(columns.start - self._columns.start, columns.stop - self._columns.start)
            if shown[:, part].any():
                numbers[:, part], own = _Part(self, rows, columns, images).origins(shown[:, part])
                pixels += own
        return numbers, pixels

    def _parts(self, images: Sequence[CompositeImage], rows: slice) -> Iterator[slice]:
        """Yield the columns that are read at once; those without a pixel to read are left out."""
        per_column = max(len(images), 1) * (len(self._scene.bands) * 4 + 1) * (rows.stop - rows.start)
        step = max(MAX_BYTES // per_column, MIN_COLUMNS)
        for run in _runs(self._scene.to_read(rows, self._columns)):
            first, last = (self._columns.start + end for end in (run.start, run.stop))
            for start in range(first, last, step):
                if self._is_stopped():
                    raise ReadingStoppedError
                yield slice(start, min(start + step, last))

    def clear_masks(self, images: Sequence[CompositeImage], rows: slice, columns: slice) -> list[Mask]:
        """Return where each image is observed and has none of the flags, shape (h, w)."""
        return list(self._pool.map(lambda image: self._clear(image, rows, columns), images))

    def _clear(self, image: CompositeImage, rows: slice, columns: slice) -> Mask:
        scene, shape = self._scene, (rows.stop - rows.start, columns.stop - columns.start)
        if image.quality is None:
            return np.ones(shape, bool)
        file = image.quality
        with explained(image):
            alignment = scene.align(file)
            if alignment is None:
                return np.zeros(shape, bool)
            flags = scene.source.flags
            source = QualitySource(file.href, flags, scene.mask, scene.dilation)
            layer = QualityLayer(
                lambda span: _BlockRows(scene.files, file, span), alignment, source, columns, scene.grid.shape
            )
            return layer.read(rows.start, rows.stop)

    def bands(
        self, parts: Sequence[tuple[CompositeImage, slice]], rows: slice
    ) -> list[tuple[NDArray[np.generic], Mask]]:
        """Return values (C, h, w) in the unit of chips and validity (h, w) of columns of images."""
        tasks = [(image, file, columns) for image, columns in parts for file in image.bands]
        layers = list(self._pool.map(lambda task: self._band(task[0], task[1], task[2], rows), tasks))
        count, results = len(self._scene.bands), []
        for number, (image, _) in enumerate(parts):
            own = layers[number * count : (number + 1) * count]
            with explained(image):
                pixels = combine_bands(
                    dict(zip(self._scene.bands, own, strict=True)), image.item, self._scene.source,
                    self._scene.stated, None,
                )  # fmt: skip
            results.append((pixels.values, pixels.valid))
        return results

    def _band(
        self, image: CompositeImage, file: CatalogFile, columns: slice, rows: slice
    ) -> tuple[NDArray[np.generic], Mask]:
        scene = self._scene
        with explained(image):
            alignment = scene.align(file)
            if alignment is None:
                shape = rows.stop - rows.start, columns.stop - columns.start
                return np.zeros(shape, scene.dtype), np.zeros(shape, bool)
            layers = FileLayers(lambda span: _BlockRows(scene.files, file, span), alignment, columns, nearest=[False])
            values, valid = layers.read(rows.start, rows.stop)
        return values[0], valid[0]


class _Part:
    """A part of a strip, combined from images."""

    def __init__(self, reader: CompositeRows, rows: slice, columns: slice, images: Sequence[CompositeImage]) -> None:
        self._reader, self._rows, self._columns, self._images = reader, rows, columns, images
        self._scene = reader._scene
        self._needed = self._scene.to_read(rows, columns)
        self._clear = reader.clear_masks(images, rows, columns) if self._needed.any() else []
        self._clear = [clear & self._needed for clear in self._clear]

    def values(self) -> tuple[NDArray[np.generic], Mask]:
        """Return values (C, h, w) and validity (h, w)."""
        values = np.zeros((len(self._scene.bands), *self._needed.shape), self._scene.dtype)
        valid = np.zeros(self._needed.shape, bool)
        if self._scene.is_median:
            self._median(values, valid)
        else:
            self._first(values, valid)
        return values, valid

    def origins(self, shown: Mask) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the number of the image of each pixel, and the pixels of each image; see `read_origins`."""
        numbers, pixels = np.full(shown.shape, NO_IMAGE, np.uint8), np.zeros(len(self._images), np.int64)
        counts, rest = np.zeros(shown.shape, np.int64), shown.copy()
        for number, clear in enumerate(self._clear):
            take = self._observed(number, clear & (shown if self._scene.is_median else rest))
            pixels[number] = take.sum()
            if self._scene.is_median:
                counts += take
            else:
                numbers[take] = min(number, NO_IMAGE - 1)
                rest &= ~take
        numbers[counts > 0] = np.minimum(counts[counts > 0], NO_IMAGE - 1)
        return numbers, pixels

    def _observed(self, number: int, take: Mask) -> Mask:
        """Return which of these pixels an image observes; bands are read if it has no quality layer."""
        if self._images[number].quality is not None:
            return take
        observed = np.zeros_like(take)
        for _, _, valid, part in self._read({number: take}):
            observed[:, part] = take[:, part] & valid
        return observed

    def _first(self, values: NDArray[np.generic], valid: Mask) -> None:
        """Fill each pixel from the first image that observes it; bands may lack pixels that quality layers have."""
        clear = [mask.copy() for mask in self._clear]
        while True:
            rest, takes = self._needed & ~valid, dict[int, Mask]()
            for number, mask in enumerate(clear):
                take = mask & rest
                if take.any():
                    takes[number] = take
                    rest &= ~take
            if not takes:
                return
            for number, take in takes.items():
                clear[number] &= ~take
            for number, own, own_valid, part in self._read(takes):
                got = takes[number][:, part] & own_valid
                values[:, :, part][:, got] = own[:, got]
                valid[:, part] |= got

    def _median(self, values: NDArray[np.generic], valid: Mask) -> None:
        takes = {number: mask for number, mask in enumerate(self._clear) if mask.any()}
        if not takes:
            return
        stack = np.full((len(takes), *values.shape), np.nan, np.float32)
        positions = {number: position for position, number in enumerate(takes)}
        for number, own, own_valid, part in self._read(takes):
            got = takes[number][:, part] & own_valid
            stack[positions[number], :, :, part][:, got] = own[:, got]
        valid |= ~np.isnan(stack[:, 0]).all(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # pixels without any observation
            median = np.nanmedian(stack, axis=0)
        if values.dtype.kind == "i":
            median = np.rint(median)
        values[:, valid] = median[:, valid].astype(values.dtype)

    def _read(self, takes: dict[int, Mask]) -> Iterator[tuple[int, NDArray[np.generic], Mask, slice]]:
        """Yield number, values, validity and columns, relative to the part, of images that are needed somewhere."""
        parts = [(number, run) for number, take in takes.items() for run in _runs(take)]
        first = self._columns.start
        images = [(self._images[number], slice(first + run.start, first + run.stop)) for number, run in parts]
        for (number, run), (own, own_valid) in zip(parts, self._reader.bands(images, self._rows), strict=True):
            yield number, own, own_valid, run


def _runs(mask: Mask) -> list[slice]:
    """Return ranges of columns that hold all pixels of a mask, and lie at least `MIN_GAP` apart."""
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return []
    ends = np.flatnonzero(np.diff(columns) > MIN_GAP)
    firsts, lasts = columns[[0, *(ends + 1)]].tolist(), columns[[*ends, -1]].tolist()
    return [slice(first, last + 1) for first, last in zip(firsts, lasts, strict=True)]
