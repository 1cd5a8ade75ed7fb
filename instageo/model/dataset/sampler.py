"""Choose the rows of a training epoch, their order, and the seeds of their random crops."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

Probabilities = NDArray[np.float64]
"""How likely each row of a table is to be drawn, summing to 1."""


class EpochSampler(Sampler[tuple[int, int]]):
    """A new order and new seeds in every epoch, from the seed and the number of the epoch alone.

    Yields (seed, index). Without `probabilities` every row comes once; with them as many rows are drawn, each as often
    as its probability says. The rows are divided among the processes of a distributed run; the first ones are repeated
    so that all processes get the same number.

    Args:
        num_rows: Number of rows.
        seed: Fixes all draws.
        probabilities: Probability of each row, summing to 1.
        rank: Rank of this process in a distributed run.
        world_size: Number of processes in a distributed run.
    """

    def __init__(
        self,
        num_rows: int,
        seed: int,
        probabilities: Sequence[float] | Probabilities | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.num_rows, self.seed, self.probabilities = num_rows, seed, probabilities
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch; the training loop calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.num_rows // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.probabilities is None:
            order, num_seeds = rng.permutation(self.num_rows), 1
        else:  # a seed for each draw, so that a row that is drawn twice is not cropped the same way twice
            order, num_seeds = rng.choice(self.num_rows, self.num_rows, p=self.probabilities), self.num_rows
        seeds = np.random.SeedSequence((self.seed, self.epoch)).generate_state(num_seeds)
        positions = range(self.rank, len(self) * self.world_size, self.world_size)
        return iter(
            [(int(seeds[position % num_seeds]), int(order[position % self.num_rows])) for position in positions]
        )


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """Return the seed of one epoch in one process of a run."""
    return (seed * 1_000_003 + epoch) * 1_009 + rank


def balanced_probabilities(class_counts: ArrayLike) -> Probabilities:
    """Compute probabilities of rows that give every class the same share of an epoch, as far as chips allow.

    Each class that occurs spreads one equal part over the rows in proportion to its pixels there.

    Args:
        class_counts: Labelled pixels per row and class, shape (N, K), at least one of them above 0.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    occurring = counts[:, counts.sum(axis=0) > 0]
    probabilities: Probabilities = (occurring / occurring.sum(axis=0)).mean(axis=1)
    return probabilities
