"""Read rows of a table as samples: whole or in windows, from files or from a cache of their decoded layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.model.chips.chip_format import ChipFormat, LayerScaling
from instageo.model.chips.chip_labels import AnyLabelFormat, ChipLabelFormat
from instageo.model.chips.dates_and_location import Coordinates
from instageo.model.chips.image import read_layers, scale_layers
from instageo.model.chips.sample import Sample
from instageo.model.dataset.cache import Cache, CacheEntry
from instageo.raster.grid import Window
from instageo.raster.reading import READING_VERSION
from instageo.table import Row

WHOLE = slice(None), slice(None)
"""The window that contains all pixels."""


@dataclass(frozen=True)
class ChipReader:
    """Chips and labels of a table that has been checked.

    Attributes:
        rows: One per chip.
        chip_format: How chips are read.
        label_format: How labels are read; None to read none.
        shapes: Height and width of each chip.
        coordinates: Dates and location of each chip.
        scalings: For a cache: factor and offset of each layer, by the index of chips whose scale tags replace those of
            the format.
        cache: Cache of decoded layers; None to read the files each time.
    """

    rows: Sequence[Row]
    chip_format: ChipFormat
    label_format: AnyLabelFormat | None
    shapes: Sequence[tuple[int, int]]
    coordinates: Sequence[Coordinates]
    scalings: Mapping[int, LayerScaling] = field(default_factory=dict)
    cache: Cache | None = None

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.shapes) == len(self.coordinates):
            raise ValueError(f"{len(self.rows)} rows, {len(self.shapes)} shapes, {len(self.coordinates)} coordinates")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int, window: Window | None = None) -> Sample:
        """Read a chip, or a window of it, with its label if it has one; pixels without a valid date are unlabelled.

        Raises:
            RasterError: A file is missing or damaged.
            DataError: A value is too large for any network.
        """
        values, valid, scaling = self._read_layers(index, window)
        image = torch.from_numpy(scale_layers(values, valid, self.chip_format, self.rows[index].input, scaling))
        temporal_coords, location_coords = (torch.from_numpy(part) for part in self.coordinates[index])
        label = self._read_label(index, window, valid)
        return Sample(image, torch.from_numpy(valid), label, temporal_coords, location_coords)

    def _read_layers(
        self, index: int, window: Window | None
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_], LayerScaling | None]:
        path, chip_format = self.rows[index].input, self.chip_format
        if self.cache is None:
            layers = read_layers(path, chip_format, window)
            return layers.values, layers.valid, layers.choice.scaling
        packed = self.cache.get(2 * index, lambda: _pack_layers(path, chip_format))[:, *(window or WHOLE)]
        values, valid = packed[: -chip_format.temporal_dim], packed[-chip_format.temporal_dim :] != 0
        return values, valid, self.scalings.get(index)

    def _read_label(self, index: int, window: Window | None, valid: NDArray[np.bool_]) -> Tensor | None:
        path, label_format = self.rows[index].label, self.label_format
        if path is None or label_format is None:
            return None
        if isinstance(label_format, ChipLabelFormat):
            return torch.from_numpy(label_format.read(path))
        if self.cache is None:
            label = label_format.read(path, window)
        else:
            cached = self.cache.get(2 * index + 1, lambda: label_format.read(path).astype(label_format.cache_dtype))
            label = cached[window or WHOLE]
            label = label if label.dtype.kind == "f" else label.astype(np.int64)
        observed = valid.any(axis=0)
        return torch.from_numpy(np.where(observed, label, np.array(label_format.ignored_value, label.dtype)))


def list_cache_entries(reader: ChipReader, num_layers: int, dtypes: Sequence[str]) -> list[CacheEntry]:
    """List what a cache keeps for a reader: chips and labels in turn.

    Args:
        reader: Rows, shapes and formats.
        num_layers: Number of layers that are read of each chip.
        dtypes: Type of each chip's values.
    """
    chip_format, label_format = reader.chip_format, reader.label_format
    decoding = repr((READING_VERSION, *chip_format.stored_key))
    label_dtype = label_format.cache_dtype if label_format else "int32"
    entries = []
    for row, shape, dtype in zip(reader.rows, reader.shapes, dtypes, strict=True):
        entries.append(CacheEntry(row.input, decoding, (num_layers + chip_format.temporal_dim, *shape), dtype))
        has_pixel_label = row.label is not None and label_format is not None and not label_format.image_level
        label_shape = shape if has_pixel_label else (0, 0)
        entries.append(CacheEntry(row.label or "", repr((READING_VERSION, label_format)), label_shape, label_dtype))
    return entries


def _pack_layers(path: str, chip_format: ChipFormat) -> NDArray[np.generic]:
    """Return the layers and, after them, the mask of each date, all in the type of the file."""
    layers = read_layers(path, chip_format)
    return np.concatenate([layers.values, layers.valid.astype(layers.values.dtype)])
