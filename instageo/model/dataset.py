"""Tables as PyTorch data sets: whole chips for scoring, random windows for training, and their loaders."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from instageo.model.coordinates import coordinates_of
from instageo.model.decoding import ChipFormat, LabelFormat, read_chip, read_label
from instageo.table import Row


@dataclass(frozen=True)
class Sample:
    """A chip as tensors, or a batch of them with a leading dimension.

    Attributes:
        image: Shape (C, T, H, W), float32, scaled but not normalised.
        valid: Shape (T, H, W), bool.
        label: Shape (H, W), int64; the ignored label where no date is valid. None where there is none.
        temporal_coords: Shape (T, 2), year and day of year; NaN where unknown. None is as good as all NaN.
        location_coords: Shape (2,), latitude and longitude in degrees; NaN where unknown. None is as good as all NaN.
    """

    image: Tensor
    valid: Tensor
    label: Tensor | None = None
    temporal_coords: Tensor | None = None
    location_coords: Tensor | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> "Sample":
        """The same sample with each of its tensors changed."""
        parts: dict[str, Any] = {part.name: getattr(self, part.name) for part in fields(self)}
        changed: dict[str, Any] = {name: None if value is None else change(value) for name, value in parts.items()}
        return Sample(**changed)

    def to(self, device: torch.device) -> "Sample":
        """The same sample on a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Sample":
        """The same sample in page-locked memory, from which copies to a GPU overlap with work."""
        return self.map(torch.Tensor.pin_memory)

    def window(self, rows: slice, columns: slice) -> "Sample":
        """The part of a single chip between these rows and columns."""
        label = None if self.label is None else self.label[rows, columns]
        return replace(self, image=self.image[..., rows, columns], valid=self.valid[..., rows, columns], label=label)


def load_sample(row: Row, chip_format: ChipFormat, label_format: LabelFormat | None) -> Sample:
    """Read a row's chip, when and where it was seen and, with a `label_format`, its label."""
    chip = read_chip(row.input, chip_format)
    seen = coordinates_of(row, chip.grid, chip.tags, chip_format.temporal_dim)
    image, valid, time, place = (torch.from_numpy(part) for part in (chip.image, chip.valid, *seen))
    sample = Sample(image, valid, None, time, place)
    if label_format is None or row.label is None:
        return sample
    label = torch.from_numpy(read_label(row.label, label_format))
    return replace(sample, label=label.masked_fill(~sample.valid.any(0), label_format.ignore_index))


class WholeChips(Dataset[Sample]):
    """Every chip whole and as it is: for scoring and inference."""

    def __init__(self, rows: Sequence[Row], chip_format: ChipFormat, label_format: LabelFormat | None) -> None:
        self.rows, self.chip_format, self.label_format = rows, chip_format, label_format

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Sample:
        return load_sample(self.rows[index], self.chip_format, self.label_format)


class RandomWindows(Dataset[Sample]):
    """One random window of every chip: for training. Smaller chips are padded with no-data.

    Items are asked for by (seed, index): the window depends on nothing else.
    """

    def __init__(
        self, rows: Sequence[Row], chip_format: ChipFormat, label_format: LabelFormat, size: tuple[int, int]
    ) -> None:
        self.rows, self.chip_format, self.label_format, self.size = rows, chip_format, label_format, size

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        seed, index = key
        sample = load_sample(self.rows[index], self.chip_format, self.label_format)
        return random_window(sample, self.size, self.label_format.ignore_index, np.random.default_rng((seed, index)))


def random_window(sample: Sample, size: tuple[int, int], ignore_index: int, rng: np.random.Generator) -> Sample:
    """A window of exactly `size` (rows, columns) at a random place; what lies outside the chip is no-data."""
    sides = sample.image.shape[2:]
    starts = [int(rng.integers(0, max(side - want, 0) + 1)) for side, want in zip(sides, size, strict=True)]
    part = sample.window(*(slice(start, start + want) for start, want in zip(starts, size, strict=True)))
    missing = [max(want - side, 0) for side, want in zip(sides, size, strict=True)]
    pad = (0, missing[1], 0, missing[0])
    label = None if part.label is None else F.pad(part.label, pad, value=ignore_index)
    return replace(part, image=F.pad(part.image, pad), valid=F.pad(part.valid, pad, value=False), label=label)


class EpochSampler(Sampler[tuple[int, int]]):
    """A new order and new draws every epoch, from the seed and the epoch's number alone.

    Yields (seed of this epoch, index). Splits the rows over the processes of a distributed run; the first ones are
    repeated so that all get the same number.
    """

    def __init__(self, length: int, seed: int, *, rank: int = 0, processes: int = 1) -> None:
        self.length, self.seed, self.rank, self.processes = length, seed, rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.length // self.processes)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        mine = np.resize(order, len(self) * self.processes)[self.rank :: self.processes]
        epoch_seed = int(np.random.SeedSequence((self.seed, self.epoch)).generate_state(1)[0])
        return iter([(epoch_seed, int(index)) for index in mine])


def stack(samples: Sequence[Sample]) -> Sample:
    """Samples of one size as a batch; what one of them lacks, the batch lacks."""

    def batch(name: str) -> Any:
        values = [getattr(sample, name) for sample in samples]
        return None if any(value is None for value in values) else torch.stack(values)

    return Sample(**{part.name: batch(part.name) for part in fields(Sample)})


def scoring_loader(
    data: WholeChips, batch_size: int, workers: int, shard: tuple[int, int] = (0, 1)
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
