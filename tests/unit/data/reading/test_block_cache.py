"""The cache of blocks: what is kept, what is damaged, and what goes first."""

import os
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from instageo.data.reading.block_cache import BlockCache
from tests.disks import mounted_disk

VALUES = np.arange(12, dtype=np.int16).reshape(3, 4)
VALID = VALUES % 5 != 0


@pytest.fixture
def cache(tmp_path):
    return BlockCache(tmp_path / "blocks", 10**6)


def blocks_of(cache):
    return sorted(cache.folder.rglob("*.block"))


def check(block, values=VALUES, valid=VALID):
    assert block[0].dtype == values.dtype
    assert_array_equal(block[0], values)
    assert_array_equal(block[1], valid)


def test_what_is_put_is_read_by_another_process(cache):
    cache.put("a", 1, 2, (VALUES, VALID))
    check(BlockCache(cache.folder, 10**6).get("a", 1, 2))
    assert [cache.get(*key) for key in (("a", 2, 1), ("b", 1, 2))] == [None, None]


def flip(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:10],
        lambda content: content[:-1],
        lambda content: flip(content, 0),
        lambda content: flip(content, 40),
        lambda content: flip(content, 150),
        lambda content: flip(content, len(content) - 1),
        lambda content: bytes(len(content)),
        lambda content: b"PK\3\4" + content[4:],
    ],
    ids=["empty", "digest cut", "a byte less", "digest", "header", "values", "validity", "zeros", "zip"],
)
def test_a_damaged_block_is_not_used_and_can_be_put_again(cache, damage):
    cache.put("a", 0, 0, (VALUES, VALID))
    [path] = blocks_of(cache)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get("a", 0, 0) is None
    cache.put("a", 0, 0, (VALUES, VALID))
    check(cache.get("a", 0, 0))


def test_the_file_of_another_block_is_not_used(cache):
    cache.put("a", 0, 0, (VALUES, VALID))
    [first] = blocks_of(cache)
    cache.put("a", 0, 1, (VALUES + 1, VALID))
    shutil.copy(first, first.with_name("0_1.block"))
    assert cache.get("a", 0, 1) is None
    check(cache.get("a", 0, 0))


def test_blocks_that_were_used_longest_ago_go_first(tmp_path):
    size = 1000 + 16 + 2 * 128 + 125
    cache = BlockCache(tmp_path / "blocks", 10 * size + 1)
    content = np.zeros(1000, np.uint8), np.ones(1000, bool)
    for number in range(10):
        cache.put("a", 0, number, content)
        os.utime(tmp_path / "blocks" / blocks_of(cache)[number].relative_to(cache.folder), (number, number))
    assert sum(path.stat().st_size for path in blocks_of(cache)) == 10 * size
    assert cache.get("a", 0, 0) is not None  # and is the last to go now
    cache.put("a", 0, 10, content)
    kept = {int(path.stem.partition("_")[2]) for path in blocks_of(cache)}
    assert kept == {0, *range(3, 11)}  # nine of eleven: 90 % of the limit


def test_what_a_killed_process_has_left_counts_and_goes_first(tmp_path):
    cache = BlockCache(tmp_path / "blocks", 3000)
    left = tmp_path / "blocks" / "ab" / ".0_0.block.123456789abc.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(2900))
    os.utime(left, (1, 1))
    cache.put("a", 0, 0, (VALUES, VALID))
    assert not left.exists()
    check(cache.get("a", 0, 0))


def test_a_limit_of_zero_keeps_nothing(tmp_path):
    cache = BlockCache(tmp_path / "blocks", 0)
    cache.put("a", 0, 0, (VALUES, VALID))
    assert not cache.folder.exists()


@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_disk_that_refuses_ends_keeping_blocks_with_one_line(tmp_path, caplog, kind):
    with mounted_disk(tmp_path / "disk", "64k") as make_read_only:
        cache = BlockCache(tmp_path / "disk", 10**9)
        cache.put("a", 0, 0, (VALUES, VALID))
        if kind == "read-only":
            make_read_only()
        noise = np.random.default_rng(0).integers(0, 9, (300, 300)).astype(np.int16), np.ones((300, 300), bool)
        for number in range(1, 4):
            cache.put("a", 0, number, noise)
        check(cache.get("a", 0, 0))
        assert [path.name for path in blocks_of(cache)] == ["0_0.block"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("blocks of images are no longer kept: ")
