"""A scene whose pixels are combined from images of a catalogue when they are read."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instageo.data.catalogs.access import Access, local_stamp
from instageo.data.items.item import Item
from instageo.data.reading.catalog_files import CatalogFile, CatalogFiles, UnusableFileError
from instageo.data.sources.source import Product, RefusedItemError, Source
from instageo.errors import RasterError
from instageo.raster.grid import Grid
from instageo.raster.rasterizing import PolygonMask
from instageo.raster.scenes.alignment import Alignment, align
from instageo.raster.scenes.blocks import strip_rows


class UnusableImageError(RasterError):
    """An image lacks a file, or its values contradict its record.

    Attributes:
        item: The image.
    """

    def __init__(self, item: Item, message: str) -> None:
        super().__init__(message)
        self.item = item

    def __reduce__(self) -> tuple[type["UnusableImageError"], tuple[Item, str]]:
        """Return how the error is made again in another process."""
        return UnusableImageError, (self.item, str(self))


@dataclass(frozen=True)
class CompositeImage:
    """An image of a catalogue.

    Attributes:
        item: Its record.
        bands: Files of the bands, in the order of the scene's layers.
        quality: File of the quality layer; None without one.
    """

    item: Item
    bands: tuple[CatalogFile, ...]
    quality: CatalogFile | None

    @property
    def files(self) -> tuple[CatalogFile, ...]:
        """All files that are read, the quality layer first."""
        return (*([self.quality] if self.quality else []), *self.bands)


def composite_image(
    item: Item, product: Product, bands: Sequence[str], source: Source, access: Access
) -> CompositeImage:
    """Return an image with its files.

    Args:
        item: The record; it has all assets.
        product: Says which assets the bands and the quality layer are.
        bands: Names of the bands.
        source: Says which stored value means no data.
        access: How files are opened; a file on this machine that has changed counts as another file.
    """

    def file(asset: str, no_data: float | None) -> CatalogFile:
        own = item.assets[asset]
        stamp = f"{item.collection} {item.id} {item.created}{local_stamp(access, own.href)}"
        return CatalogFile(own.href, stamp, no_data, own.grid)

    quality = file(product.quality, None) if product.quality else None
    return CompositeImage(item, tuple(file(product.assets[band], source.no_data) for band in bands), quality)


@contextmanager
def explained(image: CompositeImage) -> Iterator[None]:
    """Name the image in errors that another try does not mend."""
    try:
        yield
    except (UnusableFileError, RefusedItemError) as error:
        raise UnusableImageError(image.item, str(error)) from error


@dataclass(frozen=True)
class CompositeScene:
    """A scene of one date or several; each is combined from images.

    Attributes:
        grid: Position of the pixels.
        dates: Images of each date, in the order in which they are preferred.
        bands: Names of the bands of a date.
        source: The product: how values and the quality layer are decoded.
        files: Reads the files.
        is_median: Whether the median of all observations counts, band by band, in place of the first one.
        mask: Names of quality flags whose pixels do not count.
        dilation: Pixels by which masks grow.
        stated: What the user states of the offset of Sentinel-2.
        shown: Polygon (GeoJSON), in the reference system of the grid, whose pixels a map is to show; None for all.
        read_area: Polygon around it whose pixels are read; None for all.
    """

    grid: Grid
    dates: tuple[tuple[CompositeImage, ...], ...]
    bands: tuple[str, ...]
    source: Source
    files: CatalogFiles = field(compare=False)
    is_median: bool = False
    mask: tuple[str, ...] = ()
    dilation: float = 0.0
    stated: str | None = None
    shown: Mapping[str, Any] | None = field(default=None, compare=False)
    read_area: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def num_dates(self) -> int:
        """Number of dates T."""
        return len(self.dates)

    @property
    def num_layers(self) -> int:
        """Number of layers L."""
        return len(self.dates) * len(self.bands)

    @property
    def dtype(self) -> str:
        """Type of the values."""
        return self.source.dtype

    @property
    def is_remote(self) -> bool:
        """Whether pixels come through a network."""
        return True

    @property
    def pixel_m(self) -> float:
        """Side of a pixel, in units of the reference system."""
        return abs(self.grid.transform.a)

    @cached_property
    def strip_rows(self) -> int:
        """Rows that are read at once: those of the blocks of the first image."""
        first = next((image for images in self.dates for image in images), None)
        if first is None:
            return min(256, self.grid.height)
        with explained(first):
            header = self.files.read_header(first.bands[0])
        ratio = abs(header.grid.transform.a) / self.pixel_m
        return strip_rows(max(round(header.block_shape[0] * ratio), 1), self.grid.height)

    def align(self, file: CatalogFile) -> Alignment | None:
        """Return where the pixels of a file lie on the grid of the scene; None if it does not reach it.

        Raises:
            UnusableFileError: The file is missing, or has pixels that cannot be brought to those of the scene.
            RasterError: The file cannot be read.
        """
        header = self.files.read_header(file)
        try:
            return align(self.grid, header.grid, file.href, "the map")
        except RasterError as error:
            if "does not overlap" in str(error):
                return None
            raise UnusableFileError(file.href, str(error)) from error

    def wanted(self, rows: slice, columns: slice) -> NDArray[np.bool_] | None:
        """Return which pixels a map is to show, shape (h, w); None for all."""
        return None if self._shown_mask is None else self._shown_mask.window(rows, columns)

    def to_read(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return which pixels are read, shape (h, w)."""
        if self._read_mask is None:
            return np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        return self._read_mask.window(rows, columns)

    @property
    def num_shown(self) -> int:
        """Number of pixels that a map is to show."""
        return self.grid.height * self.grid.width if self._shown_mask is None else self._shown_mask.count()

    @cached_property
    def _shown_mask(self) -> PolygonMask | None:
        return None if self.shown is None else PolygonMask(self.shown, self.grid)

    @cached_property
    def _read_mask(self) -> PolygonMask | None:
        return None if self.read_area is None else PolygonMask(self.read_area, self.grid)

    def fingerprint(self) -> dict[str, object]:
        """Return what the pixels depend on, as JSON values."""
        return {
            "images": [
                [[file.identity for file in image.files] for image in images] for images in self.dates
            ],
            "combined": ["median" if self.is_median else "first", list(self.bands), self.source.name, self.stated],
            "mask": [list(self.mask), self.dilation],
            "grid": [self.grid.crs, list(self.grid.transform[:6]), self.grid.height, self.grid.width],
            "area": self.shown,
        }  # fmt: skip
