"""PyTorch datasets of chips, whole for scoring and in random crops for training, and their loaders."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

from instageo.model.chips.sample import Sample, ignored_value
from instageo.model.dataset.chip_reader import ChipReader
from instageo.raster.grid import Window


class WholeChipDataset(Dataset[Sample]):
    """Whole chips, unchanged, for scoring."""

    def __init__(self, reader: ChipReader) -> None:
        self.reader = reader

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, index: int) -> Sample:
        return self.reader.read(index)


class RandomCropDataset(Dataset[Sample]):
    """One random crop of every chip, for training. Smaller chips are padded with no-data.

    Items are requested by (seed, index): the crop depends on nothing else, and only its pixels are decoded.

    Args:
        reader: Chips and labels.
        crop_size: Rows and columns of a crop.
        ignore_index: Label of pixels outside the chip.
    """

    def __init__(self, reader: ChipReader, crop_size: tuple[int, int], ignore_index: int) -> None:
        self.reader, self.crop_size, self.ignore_index = reader, crop_size, ignore_index

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        seed, index = key
        window = draw_window(self.reader.shapes[index], self.crop_size, np.random.default_rng((seed, index)))
        return pad_sample(self.reader.read(index, window), self.crop_size, self.ignore_index)


def draw_window(shape: tuple[int, int], crop_size: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw the rows and columns of a window at a random position, no larger than the chip."""
    starts = [int(rng.integers(0, max(side - size, 0) + 1)) for side, size in zip(shape, crop_size, strict=True)]
    stops = [min(start + size, side) for start, size, side in zip(starts, crop_size, shape, strict=True)]
    return slice(starts[0], stops[0]), slice(starts[1], stops[1])


def pad_sample(sample: Sample, crop_size: tuple[int, int], ignore_index: int) -> Sample:
    """Pad a sample with no-data, below and to the right, to exactly `crop_size` rows and columns."""
    height, width = sample.image.shape[2:]
    if (height, width) == crop_size:
        return sample
    pad = (0, crop_size[1] - width, 0, crop_size[0] - height)
    return sample.map_spatial(
        lambda tensor: F.pad(tensor, pad), lambda label: F.pad(label, pad, value=ignored_value(label, ignore_index))
    )


def build_loader(
    dataset: Dataset[Any],
    sampler: Iterable[Any],
    batch_size: int,
    num_workers: int,
    collate: Callable[[Any], Any],
) -> DataLoader[Any]:
    """Build a loader whose worker processes persist and whose batches lie in page-locked memory if there is a GPU.

    It has a generator of its own: otherwise it would draw from the global one, differently with and without workers.
    """
    return DataLoader(
        dataset,
        batch_size=batch_size,  # by name, as Lightning makes the loader again to predict
        sampler=sampler,
        collate_fn=collate,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),
    )


def build_eval_loader(
    dataset: WholeChipDataset, batch_size: int, num_workers: int, rank: int = 0, world_size: int = 1
) -> DataLoader[list[Sample]]:
    """Build a loader of lists of whole chips, in the table's order.

    Args:
        dataset: The chips.
        batch_size: Chips per list.
        num_workers: Number of reading processes; 0 to read in this process.
        rank: Rank of this process in a distributed run; every chip goes to exactly one process.
        world_size: Number of processes in a distributed run.
    """
    return build_loader(dataset, range(len(dataset))[rank::world_size], batch_size, num_workers, list)
