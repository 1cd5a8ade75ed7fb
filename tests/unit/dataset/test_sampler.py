"""Balanced epochs: shares by hand, draws that follow them, and windows that differ."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import stack_samples
from instageo.model.dataset.datasets import RandomCropDataset, make_loader
from instageo.model.dataset.sampler import EpochSampler, balanced_probabilities
from instageo.table import Row
from tests.sources import source_of


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ([[5]], [1]),
        ([[1], [3]], [1 / 4, 3 / 4]),
        ([[3, 0], [1, 1]], [3 / 8, 5 / 8]),  # class 0: 3/4 and 1/4; class 1: 0 and 1
        ([[8, 0], [8, 0], [0, 1]], [1 / 4, 1 / 4, 1 / 2]),
        ([[2, 0, 0], [2, 0, 4]], [1 / 4, 3 / 4]),  # class 1 does not occur: halves for the other two
        ([[10**12, 1], [10**12, 0]], [3 / 4, 1 / 4]),
    ],
)
def test_shares_by_hand(counts, shares):
    assert_allclose(balanced_probabilities(counts), shares)


counted = st.integers(1, 4).flatmap(
    lambda classes: st.lists(
        st.lists(st.integers(0, 10**6), min_size=classes, max_size=classes).filter(any), min_size=1, max_size=12
    )
)


@given(counted)
def test_shares_are_probabilities_and_give_each_class_its_part(counts):
    counts, shares = np.array(counts, float), balanced_probabilities(counts)
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()
    occurring = counts[:, counts.sum(0) > 0]
    by_class = occurring / occurring.sum(0)
    assert_allclose(shares, by_class.sum(1) / by_class.sum())
    np.random.default_rng(0).choice(len(shares), 3, p=shares)  # sums to 1 as exactly as NumPy wants it


def epochs(sampler, count):
    found = []
    for epoch in range(count):
        sampler.set_epoch(epoch)
        found.append(list(sampler))
    return found


def test_rows_are_drawn_as_often_as_their_shares_say():
    shares = [0.5, 0.3, 0.15, 0.05]
    drawn = [index for epoch in epochs(EpochSampler(4, 7, shares), 1000) for _, index in epoch]
    # four deviations of a binomial count of 4000
    limits = [4 * (4000 * share * (1 - share)) ** 0.5 for share in shares]
    for count, share, limit in zip(np.bincount(drawn, minlength=4), shares, limits, strict=True):
        assert abs(count - 4000 * share) < limit


def test_an_epoch_has_as_many_draws_as_rows_and_each_its_own_seed():
    first, second = epochs(EpochSampler(50, 3, np.full(50, 1 / 50)), 2)
    assert len(first) == len(second) == 50
    assert len({seed for seed, _ in first + second}) == 100
    assert first != second
    assert epochs(EpochSampler(50, 3, np.full(50, 1 / 50)), 2) == [first, second]
    assert epochs(EpochSampler(50, 4, np.full(50, 1 / 50)), 1) != [first]


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 3), st.booleans())
def test_processes_share_the_draws_of_one(length, processes, epoch, balanced):
    shares = np.arange(1, length + 1) / sum(range(1, length + 1)) if balanced else None
    alone = EpochSampler(length, 3, shares)
    alone.set_epoch(epoch)
    whole, parts = list(alone), []
    for rank in range(processes):
        sampler = EpochSampler(length, 3, shares, rank=rank, processes=processes)
        sampler.set_epoch(epoch)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler) == -(-length // processes)
    together = [draw for step in zip(*parts, strict=True) for draw in step]
    assert together[:length] == whole
    assert together[length:] == [whole[place % length] for place in range(length, len(together))]


@pytest.fixture
def source(make_raster):
    """Two chips whose pixels count up."""
    rows = []
    for number in range(2):
        path = make_raster(f"{number}.tif", np.arange(400, dtype=np.int16).reshape(20, 20) + 1000 * number)
        rows.append(Row(str(number), str(path), str(path)))
    return source_of(rows, ChipFormat(), LabelFormat(10_000))


def test_a_row_that_is_drawn_twice_is_cut_in_two_places(source):
    data = RandomCropDataset(source, (4, 4), -1)
    [epoch] = epochs(EpochSampler(2, 0, [1.0, 0.0]), 1)
    assert [index for _, index in epoch] == [0, 0]
    corners = [{int(data[key].label[0, 0]) for key in keys} for keys in epochs(EpochSampler(2, 0, [1.0, 0.0]), 20)]
    assert sum(len(both) == 2 for both in corners) >= 18  # alike by chance in one of 289


def test_windows_are_drawn_evenly_to_the_last_row_and_column(source):
    data = RandomCropDataset(source, (19, 20), -1)
    firsts = [int(data[key].label[0, 0]) for keys in epochs(EpochSampler(2, 1), 100) for key in keys if key[1] == 0]
    assert set(firsts) == {0, 20}
    assert 30 < firsts.count(0) < 70


def test_batches_of_a_balanced_epoch_hold_what_was_drawn(source):
    sampler = EpochSampler(2, 5, [0.1, 0.9])
    sampler.set_epoch(3)
    [batch] = make_loader(RandomCropDataset(source, (4, 4), -1), sampler, 2, 0, stack_samples)
    assert (batch.label[:, 0, 0] // 1000).tolist() == [index for _, index in sampler]
    assert torch.equal(batch.image[:, 0, 0], batch.label.float())
