"""Splits keep blocks together and give every chip to one part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instageo.data.splits import split_by_blocks

PLACES = [(row, column) for row in range(0, 80, 10) for column in range(0, 80, 10)]  # 64 chips, 16 blocks of 4


def test_shares_by_hand():
    parts = split_by_blocks(PLACES, {"train": 2, "valid": 1, "test": 1}, block=20, seed=1)
    assert {part: len(chips) for part, chips in parts.items()} == {"train": 32, "valid": 16, "test": 16}


def test_a_block_is_never_divided():
    parts = split_by_blocks(PLACES, {"train": 0.7, "test": 0.3}, block=20, seed=1)
    blocks = {part: {(PLACES[chip][0] // 20, PLACES[chip][1] // 20) for chip in chips} for part, chips in parts.items()}
    assert not blocks["train"] & blocks["test"]


def test_a_rare_class_is_shared():
    """Class 1 lies in four blocks of 16; with halves, two of them belong to each part."""
    counts = [(10, 5 if column < 20 else 0) for _, column in PLACES]
    for seed in range(5):
        parts = split_by_blocks(PLACES, {"train": 1, "test": 1}, block=20, seed=seed, class_counts=counts)
        assert {part: sum(counts[chip][1] for chip in chips) for part, chips in parts.items()} == {
            "train": 40,
            "test": 40,
        }
        assert sorted(parts["train"] + parts["test"]) == list(range(len(PLACES)))


def test_the_seed_alone_decides():
    shares = {"train": 0.7, "test": 0.3}
    first, again, other = (split_by_blocks(PLACES, shares, block=20, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=60, unique=True),
    st.lists(st.floats(0.01, 10), min_size=1, max_size=4),
    st.integers(1, 30),
    st.integers(0, 5),
)
def test_every_chip_goes_to_one_part(places, shares, block, seed):
    named = {str(number): share for number, share in enumerate(shares)}
    blocks = {(row // block, column // block) for row, column in places}
    if len(blocks) < len(shares):
        with pytest.raises(ValueError, match=f"{len(blocks)} blocks of {block} pixels cannot fill the parts"):
            split_by_blocks(places, named, block=block, seed=seed)
        return
    parts = split_by_blocks(places, named, block=block, seed=seed)
    assert sorted(chip for chips in parts.values() for chip in chips) == list(range(len(places)))
    assert all(chips and chips == sorted(chips) for chips in parts.values())
