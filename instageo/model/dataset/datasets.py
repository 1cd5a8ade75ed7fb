"""Chips as PyTorch data sets: whole for scoring, in random windows for training; and their loaders."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from instageo.model.chips.sample import Sample, ignored_value
from instageo.model.dataset.chip_reader import ChipReader


class WholeChipDataset(Dataset[Sample]):
    """Every chip whole and as it is: for scoring."""

    def __init__(self, source: ChipReader) -> None:
        self.source = source

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.source.read(index)


class RandomCropDataset(Dataset[Sample]):
    """One random window of every chip: for training. Smaller chips are padded with no-data.

    Items are asked for by (seed, index): the window depends on nothing else, and nothing else of the chip is decoded.

    Args:
        source: Chips and labels.
        size: Rows and columns of a window.
        ignore_index: Label of pixels outside the chip.
    """

    def __init__(self, source: ChipReader, size: tuple[int, int], ignore_index: int) -> None:
        self.source, self.size, self.ignore_index = source, size, ignore_index

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        seed, index = key
        window = random_crop(self.source.shapes[index], self.size, np.random.default_rng((seed, index)))
        return pad_sample(self.source.read(index, window), self.size, self.ignore_index)


def random_crop(sides: tuple[int, int], size: tuple[int, int], rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a window at a random place, as large as `size` or, where that is smaller, the chip."""
    starts = [int(rng.integers(0, max(side - want, 0) + 1)) for side, want in zip(sides, size, strict=True)]
    stops = [min(start + want, side) for start, want, side in zip(starts, size, sides, strict=True)]
    return slice(starts[0], stops[0]), slice(starts[1], stops[1])


def pad_sample(sample: Sample, size: tuple[int, int], ignore_index: int) -> Sample:
    """The sample on exactly `size` rows and columns, its own pixels first; the others are no-data."""
    height, width = sample.image.shape[2:]
    if (height, width) == size:
        return sample
    pad = (0, size[1] - width, 0, size[0] - height)
    return sample.map_spatial(
        lambda part: F.pad(part, pad), lambda label: F.pad(label, pad, value=ignored_value(label, ignore_index))
    )


def eval_loader(
    data: WholeChipDataset, batch_size: int, workers: int, shard: tuple[int, int] = (0, 1)
) -> DataLoader[list[Sample]]:
    """Lists of whole chips, in the table's order; `shard` is (rank, processes) of a distributed run."""
    return make_loader(data, range(len(data))[shard[0] :: shard[1]], batch_size, workers, list)


def make_loader(
    data: Dataset[Sample], sampler: Iterable[Any], batch_size: int, workers: int, collate: Callable[[Any], Any]
) -> DataLoader[Any]:
    """A loader whose processes persist and whose batches, where there is a GPU, lie in page-locked memory.

    It has a generator of its own: otherwise it would draw on the global one, differently with and without workers.
    """
    return DataLoader(
        data,
        batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),
    )
