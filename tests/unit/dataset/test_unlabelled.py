"""Batches of labelled chips and of chips without labels."""

from collections import Counter

import pytest
import torch

from instageo.model.chips.sample import Sample
from instageo.model.dataset.sampler import EpochSampler
from instageo.model.dataset.unlabelled import PartlyLabelledSampler, stack_partly_labelled


def sampler(num_labelled=10, num_unlabelled=4, batch_size=4, added=2, epoch=0, **options):
    """Return a sampler at an epoch."""
    mixed = PartlyLabelledSampler(EpochSampler(num_labelled, 7, **options), num_unlabelled, batch_size, added)
    mixed.set_epoch(epoch)
    return mixed


def test_each_batch_has_its_labelled_chips_and_then_the_added_ones():
    mixed = sampler()
    keys = list(mixed)
    assert len(keys) == len(mixed) == 10 + 3 * 2
    batches = [[index >= 10 for _, index in keys[start : start + 6]] for start in range(0, 16, 6)]
    assert batches == [[False] * 4 + [True] * 2, [False] * 4 + [True] * 2, [False] * 2 + [True] * 2]


def test_labelled_chips_are_those_of_training_without_the_others():
    for epoch in (0, 1):
        alone = EpochSampler(10, 7)
        alone.set_epoch(epoch)
        assert [key for key in sampler(epoch=epoch) if key[1] < 10] == list(alone)


def test_no_chip_comes_twice_before_all_others_and_then_with_another_seed():
    keys = [key for key in sampler(num_unlabelled=4) if key[1] >= 10]  # 6 draws of 4 chips
    assert {index for _, index in keys[:4]} == {10, 11, 12, 13}
    assert set(Counter(index for _, index in keys).values()) == {1, 2}
    assert len(set(keys)) == 6


def test_draws_depend_on_seed_and_epoch_alone():
    def drawn(epoch):
        return [key for key in sampler(num_unlabelled=100, epoch=epoch) if key[1] >= 10]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_processes_share_the_draws():
    alone = [key for key in sampler(num_labelled=8, num_unlabelled=50, added=3) if key[1] >= 8]
    shares = [
        [key for key in sampler(num_labelled=8, num_unlabelled=50, added=3, rank=rank, world_size=2) if key[1] >= 8]
        for rank in (0, 1)
    ]
    assert [key for pair in zip(*shares, strict=True) for key in pair] == alone


@pytest.mark.parametrize(
    ("label", "missing"),
    [
        (torch.ones(4, 4, dtype=torch.int64), torch.full((4, 4), -1)),
        (torch.ones(4, 4), torch.full((4, 4), torch.nan)),
        (torch.ones(3, 1, 1, dtype=torch.int64), torch.full((3, 1, 1), -1)),
    ],
)
def test_chips_without_a_label_get_one_that_does_not_count(label, missing):
    image, valid = torch.zeros(2, 1, 4, 4), torch.ones(1, 4, 4, dtype=torch.bool)
    batch = stack_partly_labelled([Sample(image, valid, label), Sample(image, valid)], -1)
    assert batch.image.shape == (2, 2, 1, 4, 4)
    torch.testing.assert_close(batch.label, torch.stack([label, missing]), equal_nan=True)
