"""Splits keep blocks together and assign every chip to one split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instageo.data.scene_chips.pixel_blocks import split_by_blocks

ORIGINS = [(row, column) for row in range(0, 80, 10) for column in range(0, 80, 10)]  # 64 chips, 16 blocks of 4


def test_fractions_by_hand():
    splits = split_by_blocks(ORIGINS, {"train": 2, "valid": 1, "test": 1}, block_size=20, seed=1)
    assert {name: len(chips) for name, chips in splits.items()} == {"train": 32, "valid": 16, "test": 16}


def test_a_block_is_never_divided():
    splits = split_by_blocks(ORIGINS, {"train": 0.7, "test": 0.3}, block_size=20, seed=1)
    blocks = {
        name: {(ORIGINS[chip][0] // 20, ORIGINS[chip][1] // 20) for chip in chips} for name, chips in splits.items()
    }
    assert not blocks["train"] & blocks["test"]


def test_a_rare_class_is_divided_between_the_splits():
    """Class 1 lies in four blocks of 16; with halves, two of them belong to each split."""
    counts = [(10, 5 if column < 20 else 0) for _, column in ORIGINS]
    for seed in range(5):
        splits = split_by_blocks(ORIGINS, {"train": 1, "test": 1}, block_size=20, seed=seed, class_counts=counts)
        assert {name: sum(counts[chip][1] for chip in chips) for name, chips in splits.items()} == {
            "train": 40,
            "test": 40,
        }
        assert sorted(splits["train"] + splits["test"]) == list(range(len(ORIGINS)))


def test_the_split_depends_on_the_seed_alone():
    fractions = {"train": 0.7, "test": 0.3}
    first, again, other = (split_by_blocks(ORIGINS, fractions, block_size=20, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=60, unique=True),
    st.lists(st.floats(0.01, 10), min_size=1, max_size=4),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_every_chip_goes_to_one_split(origins, fractions, block, seed):
    named = {str(number): fraction for number, fraction in enumerate(fractions)}
    blocks = {(row // block, column // block) for row, column in origins}
    if len(blocks) < len(fractions):
        with pytest.raises(ValueError, match=f"{len(blocks)} blocks of {block} pixels cannot fill the splits"):
            split_by_blocks(origins, named, block_size=block, seed=seed)
        return
    splits = split_by_blocks(origins, named, block_size=block, seed=seed)
    assert sorted(chip for chips in splits.values() for chip in chips) == list(range(len(origins)))
    assert all(chips and chips == sorted(chips) for chips in splits.values())
