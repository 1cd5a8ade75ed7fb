"""Rows and groups assigned to parts: counts that can be checked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instageo.data.scene_chips.pixel_blocks import split_by_blocks
from instageo.data.splitting.balance import assign_balanced, draw_assignments, imbalance
from instageo.data.splitting.groups import Groups, combine_columns, split_groups
from instageo.data.splitting.shares import cut_at_shares, hash_keys, whole_counts
from instageo.data.splitting.shuffled import split_shuffled
from instageo.errors import DataError

SHARES = [0.7, 0.15, 0.15]


def test_hashes_are_those_of_sha256():
    # sha256("3:a.tif") begins with the bytes 0x…; its first 53 bits are the number
    from hashlib import sha256

    first_bits = bin(int.from_bytes(sha256(b"3:a.tif").digest()))[2:].zfill(256)[:53]
    assert hash_keys(["a.tif"], 3)[0] == int(first_bits, 2) / 2**53


def test_hashes_are_spread_evenly():
    numbers = hash_keys(map(str, range(10_000)), 0)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    np.testing.assert_allclose(np.histogram(numbers, 10, (0, 1))[0], 1000, atol=100)


def test_numbers_are_cut_at_shares():
    np.testing.assert_array_equal(
        cut_at_shares(np.array([0, 0.69, 0.7, 0.84, 0.86, 0.999]), SHARES), [0, 0, 1, 1, 2, 2]
    )


@given(st.integers(0, 5000), st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_whole_counts_are_less_than_one_from_their_shares(total, weights):
    targets = np.array(weights) / sum(weights)
    counts = whole_counts(total, targets)
    assert counts.sum() == total
    assert (np.abs(counts - total * targets) < 1 + 1e-6).all()


def test_a_random_split_has_exact_shares_and_depends_on_keys_alone():
    keys = [f"chip {k}" for k in range(200)]
    part = split_shuffled(keys, SHARES, 1)
    np.testing.assert_array_equal(np.bincount(part), [140, 30, 30])
    np.testing.assert_array_equal(split_shuffled(keys[::-1], SHARES, 1), part[::-1])
    assert (split_shuffled(keys, SHARES, 2) != part).any()


def test_rows_of_one_chip_stay_together():
    keys = [f"chip {k % 50}" for k in range(200)]
    part = split_shuffled(keys, SHARES, 1)
    assert all(len(set(part[k::50])) == 1 for k in range(50))


def test_each_stratum_has_the_shares():
    keys, strata = [str(k) for k in range(130)], ["rare"] * 10 + ["common"] * 120
    part = split_shuffled(keys, SHARES, 0, strata=strata)
    np.testing.assert_array_equal(np.bincount(part[10:]), [84, 18, 18])
    assert sorted(np.bincount(part[:10], minlength=3)) == [1, 2, 7]


def test_many_small_strata_add_up_to_the_shares():
    keys = [str(k) for k in range(300)]
    part = split_shuffled(keys, SHARES, 0, strata=[str(k // 2) for k in range(300)])  # 150 strata of two
    np.testing.assert_allclose(np.bincount(part), [210, 45, 45], atol=1)


def test_groups_are_balanced_by_rows_and_classes():
    sizes = np.full(40, 10)
    counts = np.zeros((40, 2))
    counts[:, 0], counts[:8, 1] = 9, 5  # the second class is in eight groups
    part = assign_balanced(sizes, [0.5, 0.25, 0.25], 0, counts)
    np.testing.assert_array_equal(np.bincount(part), [20, 10, 10])
    np.testing.assert_array_equal(np.bincount(part[:8]), [4, 2, 2])


def test_the_imbalance_by_hand():
    candidate = np.array([[0, 0, 1]])
    score = imbalance(candidate, [0.5, 0.5], np.array([[1.0], [1.0], [2.0]]))
    assert score == pytest.approx(0)
    score = imbalance(candidate, [0.5, 0.5], np.array([[1.0], [2.0], [1.0]]))
    assert score == pytest.approx(math.log(0.75 / 0.5) + math.log(0.5 / 0.25))


def test_groups_go_to_the_part_that_lacks_most():
    [assigned] = draw_assignments(np.array([1.0, 1.0, 1.0, 1.0]), [0.5, 0.25, 0.25], np.random.default_rng(0), 1)
    np.testing.assert_array_equal(np.bincount(assigned), [2, 1, 1])


def test_no_group_is_in_two_parts_and_few_groups_are_refused():
    groups = Groups.of(np.array(["a", "b", "c", "a", "b", "c", "c"], dtype=object), "event")
    part = split_groups(groups, SHARES, 0)
    assert part[0] == part[3]
    assert part[1] == part[4]
    assert part[2] == part[5] == part[6]
    assert set(part) == {0, 1, 2}
    with pytest.raises(DataError, match="3 events cannot fill 4 parts"):
        split_groups(groups, [0.25] * 4, 0)


def test_rows_without_a_value_are_groups_of_their_own():
    assert combine_columns([["a", "", "a", ""], ["1", "", "2", "3"]], list("wxyz")) == ["a|1", "chip x", "a|2", "|3"]


def test_blocks_of_pixels_go_whole_into_one_part():
    origins = [(row, column) for row in range(0, 640, 64) for column in range(0, 640, 64)]
    parts = split_by_blocks(origins, {"train": 0.5, "test": 0.5}, block_size=128, seed=3)
    blocks = {name: {(origins[k][0] // 128, origins[k][1] // 128) for k in rows} for name, rows in parts.items()}
    assert not blocks["train"] & blocks["test"]
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 52, "test": 48}
