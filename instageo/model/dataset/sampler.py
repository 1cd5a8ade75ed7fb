"""Which rows an epoch of training takes, in which order, and from what its randomness starts."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

Probabilities = NDArray[np.float64]


class EpochSampler(Sampler[tuple[int, int]]):
    """A new order and new draws every epoch, from the seed and the epoch's number alone.

    Yields (seed, index). Without `shares` every row comes once; with them as many rows are drawn, each
    as often as its share says. Splits the rows over the processes of a distributed run; the first ones are repeated so
    that all get the same number.

    Args:
        length: Rows.
        seed: Fixes all draws.
        shares: Probability of each row, summing to 1.
        rank: Of this process.
        processes: Of the distributed run.
    """

    def __init__(
        self,
        length: int,
        seed: int,
        shares: Sequence[float] | Probabilities | None = None,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.length, self.seed, self.shares, self.rank, self.processes = length, seed, shares, rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.length // self.processes)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.shares is None:
            order = rng.permutation(self.length)
        else:
            order = rng.choice(self.length, self.length, p=self.shares)
        places = range(self.rank, len(self) * self.processes, self.processes)
        wanted = 1 if self.shares is None else self.length  # a row that comes twice is not cut alike twice
        seeds = np.random.SeedSequence((self.seed, self.epoch)).generate_state(wanted)
        return iter([(int(seeds[place % wanted]), int(order[place % self.length])) for place in places])


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """What a run's seed becomes for one epoch in one of its processes."""
    return (seed * 1_000_003 + epoch) * 1_009 + rank


def balanced_probabilities(class_counts: ArrayLike) -> Probabilities:
    """Probabilities of rows that give every class the same share of an epoch, as far as chips allow.

    Each class that occurs spreads one equal part over the rows in proportion to its pixels there.

    Args:
        class_counts: Labelled pixels per row and class, shape (N, K), at least one of them above 0.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    occurring = counts[:, counts.sum(axis=0) > 0]
    shares: Probabilities = (occurring / occurring.sum(axis=0)).mean(axis=1)
    return shares
