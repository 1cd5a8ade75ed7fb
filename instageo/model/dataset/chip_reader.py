"""The rows of a table as samples: read whole or by window, from the files or from a cache of their decoded layers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instageo.model.chips.chip_labels import ChipLabels, Labels
from instageo.model.chips.coordinates import Coordinates
from instageo.model.chips.image import ChipFormat, read_layers, scale_layers
from instageo.model.chips.sample import Sample
from instageo.model.dataset.cache import Cache, CacheEntry
from instageo.raster.grid import Window
from instageo.table import Row

FULL_WINDOW = slice(None), slice(None)


@dataclass(frozen=True)
class ChipReader:
    """Chips and labels of a table that has been checked.

    Attributes:
        rows: One per chip.
        chip_format: How chips are read.
        labels: How labels are read; None to leave them.
        shapes: Height and width of each chip.
        seen: Time and place of each chip.
        cache: Where decoded layers are kept; None to read files each time.
    """

    rows: Sequence[Row]
    chip_format: ChipFormat
    labels: Labels | None
    shapes: Sequence[tuple[int, int]]
    seen: Sequence[Coordinates]
    cache: Cache | None = None

    def __post_init__(self) -> None:
        if not len(self.rows) == len(self.shapes) == len(self.seen):
            raise ValueError(f"{len(self.rows)} rows, {len(self.shapes)} shapes, {len(self.seen)} coordinates")

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: int, window: Window | None = None) -> Sample:
        """One chip, or a window of it, with its label where there is one; no label where no date is valid.

        Raises:
            RasterError: A file has gone or is broken.
        """
        values, valid = self._layers(index, window)
        image = torch.from_numpy(scale_layers(values, valid, self.chip_format))
        time, place = (torch.from_numpy(part) for part in self.seen[index])
        return Sample(image, torch.from_numpy(valid), self._label(index, window, valid), time, place)

    def _layers(self, index: int, window: Window | None) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        path, form = self.rows[index].input, self.chip_format
        if self.cache is None:
            layers = read_layers(path, form, window)
            return layers.values, layers.valid
        packed = self.cache.get(2 * index, lambda: _packed(path, form))[:, *(window or FULL_WINDOW)]
        return packed[: -form.temporal_dim], packed[-form.temporal_dim :] != 0

    def _label(self, index: int, window: Window | None, valid: NDArray[np.bool_]) -> Tensor | None:
        path, form = self.rows[index].label, self.labels
        if path is None or form is None:
            return None
        if isinstance(form, ChipLabels):
            return torch.from_numpy(form.read(path))
        if self.cache is None:
            label = form.read(path, window)
        else:
            kept = self.cache.get(2 * index + 1, lambda: form.read(path).astype(form.stored))[window or FULL_WINDOW]
            label = kept if kept.dtype.kind == "f" else kept.astype(np.int64)
        seen = valid.any(axis=0)
        return torch.from_numpy(np.where(seen, label, np.array(form.unlabelled, label.dtype)))


def cache_entries(source: ChipReader, layers: int, dtypes: Sequence[str]) -> list[CacheEntry]:
    """What a cache keeps of a source: chips and labels in turn.

    Args:
        source: Its rows, shapes and formats.
        layers: Layers read of each chip.
        dtypes: Type of each chip's values.
    """
    chips, labels = source.chip_format, source.labels
    how = repr((chips.temporal_dim, chips.bands, chips.no_data_value))
    kept = []
    for row, shape, dtype in zip(source.rows, source.shapes, dtypes, strict=True):
        kept.append(CacheEntry(row.input, how, (layers + chips.temporal_dim, *shape), dtype))
        pixels = row.label is not None and labels is not None and not labels.image_level
        kept.append(
            CacheEntry(row.label or "", repr(labels), shape if pixels else (0, 0), labels.stored if labels else "int32")
        )
    return kept


def _packed(path: str, form: ChipFormat) -> NDArray[np.generic]:
    """Layers and, behind them, the mask of each date, all in the type of the file."""
    layers = read_layers(path, form)
    return np.concatenate([layers.values, layers.valid.astype(layers.values.dtype)])
