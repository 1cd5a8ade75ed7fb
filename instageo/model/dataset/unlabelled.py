"""Chips without labels next to labelled ones: each training batch holds some of both."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from instageo.model.chips.sample import Sample, ignored_value, stack_samples
from instageo.model.dataset.datasets import RandomCropDataset
from instageo.model.dataset.sampler import EpochSampler


class PartlyLabelledCrops(Dataset[Sample]):
    """Random crops of labelled chips, and after them of chips without labels.

    Args:
        labelled: Crops with labels.
        unlabelled: Crops of the same size without labels.
    """

    def __init__(self, labelled: RandomCropDataset, unlabelled: RandomCropDataset) -> None:
        self.labelled, self.unlabelled = labelled, unlabelled

    def __len__(self) -> int:
        return len(self.labelled) + len(self.unlabelled)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        seed, index = key
        num_labelled = len(self.labelled)
        if index < num_labelled:
            return self.labelled[seed, index]
        return self.unlabelled[seed, index - num_labelled]


class PartlyLabelledSampler(Sampler[tuple[int, int]]):
    """Adds chips without labels to every batch of labelled ones; the labelled ones are those of training without them.

    Yields (seed, index) for `PartlyLabelledCrops`: the labelled chips of a batch, its unlabelled ones, and so on.
    An epoch draws new unlabelled chips, none twice before all others; draws depend on the seed, the epoch and the
    process alone.

    Args:
        labelled: Sampler of the labelled chips.
        num_unlabelled: Number of unlabelled chips.
        batch_size: Labelled chips per batch.
        unlabelled_batch_size: Unlabelled chips per batch.
    """

    def __init__(
        self, labelled: EpochSampler, num_unlabelled: int, batch_size: int, unlabelled_batch_size: int
    ) -> None:
        self.labelled, self.num_unlabelled = labelled, num_unlabelled
        self.batch_size, self.unlabelled_batch_size = batch_size, unlabelled_batch_size

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch; the training loop calls it before each."""
        self.labelled.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.labelled) + self._num_draws

    @property
    def _num_draws(self) -> int:
        num_batches = -(-len(self.labelled) // self.batch_size)
        return num_batches * self.unlabelled_batch_size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        unlabelled = self._draw_unlabelled()
        for number, key in enumerate(self.labelled, start=1):
            yield key
            if number % self.batch_size == 0 or number == len(self.labelled):
                yield from islice(unlabelled, self.unlabelled_batch_size)

    def _draw_unlabelled(self) -> Iterator[tuple[int, int]]:
        """Yield the unlabelled chips of this process in this epoch, with seeds of their own."""
        rank, world_size = self.labelled.rank, self.labelled.world_size
        entropy = (self.labelled.seed, self.labelled.epoch, self.num_unlabelled)
        rng, total = np.random.default_rng(entropy), self._num_draws * world_size
        rounds = -(-total // self.num_unlabelled)
        order = np.concatenate([rng.permutation(self.num_unlabelled) for _ in range(rounds)])
        seeds = np.random.SeedSequence(entropy).generate_state(rounds)
        for position in range(rank, total, world_size):
            index = self.labelled.num_rows + int(order[position])
            yield int(seeds[position // self.num_unlabelled]), index


def stack_partly_labelled(samples: Sequence[Sample], ignore_index: int) -> Sample:
    """Stack samples of equal size to a batch; those without a label get one that does not count.

    Args:
        samples: At least one with a label.
        ignore_index: Label of classes that does not count.
    """
    like = next(sample.label for sample in samples if sample.label is not None)
    missing = torch.full_like(like, ignored_value(like, ignore_index))
    return stack_samples([sample if sample.label is not None else replace(sample, label=missing) for sample in samples])
