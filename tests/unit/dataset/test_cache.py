"""Decoded chips kept in memory or on disk: the same values, decoded once, never stale, and failing softly."""

import logging
import multiprocessing
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from instageo.errors import ConfigError
from instageo.model.chips import pixel_labels
from instageo.model.chips.image import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import stack_samples
from instageo.model.dataset import cache as caches
from instageo.model.dataset import chip_reader as sources
from instageo.model.dataset.cache import CacheEntry, DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import cache_entries
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset, eval_loader, make_loader
from instageo.model.dataset.sampler import EpochSampler
from instageo.raster.reading import read_info
from instageo.table import Row
from tests.sources import source_of

CHIPS, LABELS = ChipFormat(no_data_value=-9999), LabelFormat(10_000)


@pytest.fixture
def plain(make_raster):
    """A source of four chips of mixed sizes whose pixels and labels count up; the last has no label."""
    rows = []
    for number, (height, width) in enumerate([(8, 8), (5, 9), (1, 1), (3, 3)]):
        values = (100 * number + np.arange(height * width)).reshape(height, width).astype(np.int16)
        values[0, 0] = -9999
        path = make_raster(f"{number}/chip.tif", values)
        label = make_raster(f"{number}/label.tif", np.maximum(values, 1))
        rows.append(Row(f"{number}/chip.tif", str(path), None if number == 3 else str(label)))
    return source_of(rows, CHIPS, LABELS)


def kept(source):
    return cache_entries(source, 1, [read_info(row.input).dtype for row in source.rows])


def in_memory(source):
    return replace(source, cache=MemoryCache(kept(source)))


def on_disk(source, folder):
    return replace(source, cache=DiskCache(kept(source), Path(folder)))


@pytest.fixture(params=["memory", "disk"])
def cached(request, plain, tmp_path):
    return in_memory(plain) if request.param == "memory" else on_disk(plain, tmp_path / "cache")


def same(first, second):
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.valid, second.valid)
    assert (first.label is None) == (second.label is None)
    assert first.label is None or torch.equal(first.label, second.label)


@pytest.fixture
def decoded(monkeypatch):
    """Files that were decoded, in this process."""
    names = []
    for module, name in ((sources, "read_layers"), (pixel_labels, "read_label")):
        real = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda path, *rest, real=real: (names.append(Path(path).name), real(path, *rest))[1]
        )
    return names


def test_each_file_is_decoded_once(plain, cached, decoded):
    expected = [plain.read(index) for index in range(4)]
    decoded.clear()
    for _ in range(3):
        for index in range(4):
            same(cached.read(index), expected[index])
    assert sorted(decoded) == ["chip.tif"] * 4 + ["label.tif"] * 3


def test_what_a_cache_gives_can_be_changed_without_changing_it(plain, cached):
    for _ in range(2):
        sample = cached.read(0)
        same(sample, plain.read(0))
        for tensor in (sample.image, sample.valid, sample.label):
            tensor.zero_()


def test_sizes_by_hand(plain):
    one = kept(plain)
    assert [slot.size for slot in one] == [2 * 64 * 2, 64 * 4, 2 * 45 * 2, 45 * 4, 4, 4, 2 * 9 * 2, 0]
    assert MemoryCache(one).size == 256 + 256 + 192 + 192 + 64 + 64 + 64  # at multiples of 64


def test_a_cache_larger_than_the_machine_is_refused(monkeypatch):
    monkeypatch.setattr(caches.os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.get)
    MemoryCache([CacheEntry("a", "", (3_276_800,), "uint8")])  # 80 % of 4096000 bytes
    with pytest.raises(ConfigError, match=r"cache=memory would take 0\.0 GB of .* 0\.0 GB; use dataloader\.cache=disk"):
        MemoryCache([CacheEntry("a", "", (3_276_801,), "uint8")])


def test_a_pickled_cache_works_in_memory_of_its_own(plain):
    source = in_memory(plain)
    source.read(0)
    copy = pickle.loads(pickle.dumps(source))
    for index in range(4):
        same(copy.read(index), plain.read(index))
    copy.cache.get(0, None)[...] = 7
    same(source.read(0), plain.read(0))


def test_forked_processes_share_memory(plain, decoded, monkeypatch):
    """Ten epochs with two workers decode every file once, or twice where both come at once."""
    count = multiprocessing.get_context("fork").Value("i", 0)
    real = sources.read_layers

    def counted(*arguments):
        with count.get_lock():
            count.value += 1
        return real(*arguments)

    monkeypatch.setattr(sources, "read_layers", counted)
    loader = eval_loader(WholeChipDataset(in_memory(plain)), 1, 2)
    for _ in range(5):
        samples = [sample for batch in loader for sample in batch]
        assert [len(sample.valid) for sample in samples] == [1] * 4
    assert count.value == 4


@pytest.mark.parametrize("kind", ["none", "memory", "disk"])
@pytest.mark.parametrize("shares", [None, [0.7, 0.2, 0.1]])
@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_alike_with_any_workers_and_cache(plain, tmp_path, kind, shares, workers):
    labelled = replace(plain, rows=plain.rows[:3], shapes=plain.shapes[:3], seen=plain.seen[:3])
    ways = {
        "none": lambda: labelled,
        "memory": lambda: in_memory(labelled),
        "disk": lambda: on_disk(labelled, tmp_path),
    }

    def batches(source, processes):
        sampler, found = EpochSampler(3, 5, shares), []
        loader = make_loader(RandomCropDataset(source, (3, 4), -1), sampler, 2, processes, stack_samples)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            found += list(loader)
        return found

    expected, found = batches(labelled, 0), batches(ways[kind](), workers)
    assert len(expected) == len(found) == 6
    for one, other in zip(expected, found, strict=True):
        same(one, other)


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def test_files_appear_whole_and_say_what_they_hold(plain, tmp_path):
    source = on_disk(plain, tmp_path / "cache")
    for index in range(4):
        source.read(index)
    assert len(files(tmp_path / "cache")) == 7
    assert {path.suffix for path in files(tmp_path / "cache")} == {".raw"}
    sizes = sorted(path.stat().st_size for path in files(tmp_path / "cache"))
    assert sizes == sorted(slot.size for slot in kept(plain) if slot.size)


def test_another_run_finds_what_one_has_left(plain, tmp_path, decoded):
    on_disk(plain, tmp_path / "cache").read(0)
    decoded.clear()
    same(on_disk(plain, tmp_path / "cache").read(0), plain.read(0))
    assert decoded == ["chip.tif", "label.tif"]  # those of the comparison


@pytest.mark.parametrize(
    "other", [ChipFormat(no_data_value=3), ChipFormat(bands=(0,), no_data_value=-9999), ChipFormat()]
)
def test_another_way_of_reading_is_kept_apart(plain, tmp_path, other):
    on_disk(plain, tmp_path / "cache").read(0)
    again = replace(plain, chip_format=other)
    same(on_disk(again, tmp_path / "cache").read(0), again.read(0))
    relabelled = replace(plain, labels=LabelFormat(10_000, 5, True))
    same(on_disk(relabelled, tmp_path / "cache").read(0), relabelled.read(0))


@pytest.mark.parametrize("damage", ["empty", "half", "longer", "folder"])
def test_a_damaged_file_is_decoded_anew(plain, tmp_path, damage):
    source = on_disk(plain, tmp_path / "cache")
    source.read(0)
    for path in files(tmp_path / "cache"):
        whole = path.read_bytes()
        path.unlink()
        if damage == "folder":
            path.mkdir()
        else:
            path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "longer": b"0" + whole}[damage])
    same(source.read(0), plain.read(0))
    same(on_disk(plain, tmp_path / "cache").read(0), plain.read(0))


def test_a_changed_file_is_not_served_stale(plain, tmp_path, make_raster):
    source = on_disk(plain, tmp_path / "cache")
    before = source.read(0)
    make_raster("0/chip.tif", np.full((8, 8), 42, np.int16))
    assert (source.read(0).image == 42).all()
    assert not torch.equal(before.image, source.read(0).image)


def test_a_file_of_another_shape_than_checked_is_refused(plain, cached, make_raster):
    make_raster("1/chip.tif", np.zeros((4, 4), np.int16))
    with pytest.raises(
        ConfigError, match=r"1/chip\.tif: gives \(2, 4, 4\) int16, expected \(2, 5, 9\) int16; .* again"
    ):
        cached.read(1)


def test_relative_paths_in_two_folders_are_two_files(tmp_path, make_raster, monkeypatch):
    """Copies that keep their time, of one size, at the same relative path: each folder has its own."""
    found = []
    for number in (1, 2):
        path = make_raster(f"{number}/data/chip.tif", np.full((2, 2), number, np.int16))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        monkeypatch.chdir(tmp_path / str(number))
        source = source_of([Row("chip.tif", "data/chip.tif", None)], CHIPS, LABELS)
        found.append(int(on_disk(source, tmp_path / "cache").read(0).image[0, 0, 0, 0]))
    assert found == [1, 2]


def test_a_folder_that_cannot_be_written_to_is_told_of_once(plain, tmp_path, caplog):  # pitfall 39
    (tmp_path / "file").touch()
    source = on_disk(plain, tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        for index in (0, 1, 0, 1):
            same(source.read(index), plain.read(index))
    [warning] = caplog.messages
    assert f"cache=disk keeps no more: {tmp_path / 'file' / 'cache'}" in warning


def test_a_full_disk_is_told_of_once_and_leaves_nothing_half_written(plain, tmp_path, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    source = on_disk(plain, tmp_path / "cache")
    source.read(0)
    monkeypatch.setattr(caches.os, "replace", full)
    with caplog.at_level(logging.WARNING):
        for index in (1, 2, 1, 0):
            same(source.read(index), plain.read(index))
    [warning] = caplog.messages
    assert "No space left" in warning
    assert len(files(tmp_path / "cache")) == 2


def test_an_empty_label_slot_takes_nothing(plain):
    source = in_memory(plain)
    assert source.read(3).label is None
    assert_array_equal(source.read(3).valid[0], source.read(3).image[0, 0] != 0)
