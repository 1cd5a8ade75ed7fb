"""Rows of an epoch: once each in a new order, or drawn with probabilities; divided among processes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import stack_samples
from instageo.model.dataset.datasets import RandomCropDataset, build_loader
from instageo.model.dataset.sampler import EpochSampler, balanced_probabilities, epoch_seed
from instageo.table import Row
from tests.readers import reader_of


def test_every_epoch_visits_every_row_once_in_a_new_order():
    sampler = EpochSampler(20, seed=3)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
    for items in epochs:
        assert sorted(index for _, index in items) == list(range(20))
        assert len({seed for seed, _ in items}) == 1
    assert len({items[0][0] for items in epochs}) == 3
    assert len({tuple(index for _, index in items) for items in epochs}) == 3


def test_an_epoch_depends_only_on_seed_and_number():
    def visited(seed):
        sampler = EpochSampler(20, seed)
        sampler.set_epoch(7)
        return list(sampler)

    assert visited(3) == visited(3)
    assert visited(3) != visited(4)


def test_every_process_and_epoch_has_a_seed_of_its_own():
    seeds = {epoch_seed(seed, epoch, rank) for seed in (0, 1, 42) for epoch in range(100) for rank in range(8)}
    assert len(seeds) == 3 * 100 * 8
    assert epoch_seed(42, 3) == epoch_seed(42, 3, 0) != epoch_seed(42, 3, 1)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 3))
def test_processes_share_the_rows(length, world_size, epoch):
    shares = []
    for rank in range(world_size):
        sampler = EpochSampler(length, 3, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch)
        shares.append(list(sampler))
        assert len(shares[-1]) == len(sampler) == -(-length // world_size)
    visits = np.bincount([index for share in shares for _, index in share], minlength=length)
    assert visits.min() >= 1
    assert visits.sum() < length + world_size
    assert len({seed for share in shares for seed, _ in share}) == 1


@pytest.mark.parametrize(
    ("counts", "probabilities"),
    [
        ([[5]], [1]),
        ([[1], [3]], [1 / 4, 3 / 4]),
        ([[3, 0], [1, 1]], [3 / 8, 5 / 8]),  # class 0: 3/4 and 1/4; class 1: 0 and 1
        ([[8, 0], [8, 0], [0, 1]], [1 / 4, 1 / 4, 1 / 2]),
        ([[2, 0, 0], [2, 0, 4]], [1 / 4, 3 / 4]),  # class 1 does not occur: halves for the other two
        ([[10**12, 1], [10**12, 0]], [3 / 4, 1 / 4]),
    ],
)
def test_balanced_probabilities_by_hand(counts, probabilities):
    assert_allclose(balanced_probabilities(counts), probabilities)


counted = st.integers(1, 4).flatmap(
    lambda classes: st.lists(
        st.lists(st.integers(0, 10**6), min_size=classes, max_size=classes).filter(any), min_size=1, max_size=12
    )
)


@given(counted)
def test_balanced_probabilities_sum_to_one_and_give_each_class_its_share(counts):
    counts, probabilities = np.array(counts, float), balanced_probabilities(counts)
    assert probabilities.sum() == pytest.approx(1)
    assert (probabilities > 0).all()
    occurring = counts[:, counts.sum(0) > 0]
    by_class = occurring / occurring.sum(0)
    assert_allclose(probabilities, by_class.sum(1) / by_class.sum())
    np.random.default_rng(0).choice(len(probabilities), 3, p=probabilities)  # sums to 1 within the tolerance of NumPy


def epochs(sampler, count):
    draws = []
    for epoch in range(count):
        sampler.set_epoch(epoch)
        draws.append(list(sampler))
    return draws


def test_rows_are_drawn_as_often_as_their_probabilities_say():
    probabilities = [0.5, 0.3, 0.15, 0.05]
    drawn = [index for epoch in epochs(EpochSampler(4, 7, probabilities), 1000) for _, index in epoch]
    # four deviations of a binomial count of 4000
    limits = [4 * (4000 * p * (1 - p)) ** 0.5 for p in probabilities]
    for count, p, limit in zip(np.bincount(drawn, minlength=4), probabilities, limits, strict=True):
        assert abs(count - 4000 * p) < limit


def test_an_epoch_has_as_many_draws_as_rows_and_each_its_own_seed():
    first, second = epochs(EpochSampler(50, 3, np.full(50, 1 / 50)), 2)
    assert len(first) == len(second) == 50
    assert len({seed for seed, _ in first + second}) == 100
    assert first != second
    assert epochs(EpochSampler(50, 3, np.full(50, 1 / 50)), 2) == [first, second]
    assert epochs(EpochSampler(50, 4, np.full(50, 1 / 50)), 1) != [first]


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 3), st.booleans())
def test_processes_together_get_the_draws_of_one(length, world_size, epoch, balanced):
    probabilities = np.arange(1, length + 1) / sum(range(1, length + 1)) if balanced else None
    alone = EpochSampler(length, 3, probabilities)
    alone.set_epoch(epoch)
    whole, parts = list(alone), []
    for rank in range(world_size):
        sampler = EpochSampler(length, 3, probabilities, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler) == -(-length // world_size)
    together = [draw for step in zip(*parts, strict=True) for draw in step]
    assert together[:length] == whole
    assert together[length:] == [whole[position % length] for position in range(length, len(together))]


@pytest.fixture
def reader(make_raster):
    """Return a reader of two chips whose pixels count up."""
    rows = []
    for number in range(2):
        path = make_raster(f"{number}.tif", np.arange(400, dtype=np.int16).reshape(20, 20) + 1000 * number)
        rows.append(Row(str(number), str(path), str(path)))
    return reader_of(rows, ChipFormat(), LabelFormat(10_000))


def test_a_row_that_is_drawn_twice_is_cropped_twice(reader):
    dataset = RandomCropDataset(reader, (4, 4), -1)
    [epoch] = epochs(EpochSampler(2, 0, [1.0, 0.0]), 1)
    assert [index for _, index in epoch] == [0, 0]
    corners = [{int(dataset[key].label[0, 0]) for key in keys} for keys in epochs(EpochSampler(2, 0, [1.0, 0.0]), 20)]
    assert sum(len(both) == 2 for both in corners) >= 18  # the same by chance in one of 289


def test_crops_reach_the_last_row_and_column_evenly(reader):
    dataset = RandomCropDataset(reader, (19, 20), -1)
    firsts = [int(dataset[key].label[0, 0]) for keys in epochs(EpochSampler(2, 1), 100) for key in keys if key[1] == 0]
    assert set(firsts) == {0, 20}
    assert 30 < firsts.count(0) < 70


def test_batches_of_a_balanced_epoch_contain_the_drawn_rows(reader):
    sampler = EpochSampler(2, 5, [0.1, 0.9])
    sampler.set_epoch(3)
    [batch] = build_loader(RandomCropDataset(reader, (4, 4), -1), sampler, 2, 0, stack_samples)
    assert (batch.label[:, 0, 0] // 1000).tolist() == [index for _, index in sampler]
    assert torch.equal(batch.image[:, 0, 0], batch.label.float())


def test_seeds_and_orders_are_those_of_numpy():
    """A resumed run draws what it would have drawn, also with a later version of this program."""
    sampler = EpochSampler(5, seed=3)
    assert sampler.epoch == 0
    sampler.set_epoch(2)
    [seed] = np.random.SeedSequence((3, 2)).generate_state(1)
    assert list(sampler) == [(seed, index) for index in np.random.default_rng((3, 2)).permutation(5)]
    drawn = EpochSampler(3, seed=3, probabilities=[0.2, 0.3, 0.5])
    drawn.set_epoch(2)
    seeds = np.random.SeedSequence((3, 2)).generate_state(3)
    order = np.random.default_rng((3, 2)).choice(3, 3, p=[0.2, 0.3, 0.5])
    assert list(drawn) == list(zip(seeds.tolist(), order.tolist(), strict=True))
    assert (sampler.rank, sampler.world_size) == (0, 1)


def test_seeds_of_an_epoch_by_hand():
    assert epoch_seed(2, 5) == (2 * 1_000_003 + 5) * 1_009 == 2_018_011_099
    assert epoch_seed(2, 5, 3) == 2_018_011_102


def test_probabilities_of_half_precision_counts_are_exact():
    probabilities = balanced_probabilities(np.array([[1], [2]], np.float16))
    assert probabilities.dtype == np.float64
    assert probabilities.tolist() == [1 / 3, 2 / 3]
