"""Decoded chips cached in memory or on disk: the same values, decoded once, never stale; failures are tolerated."""

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
from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.chips.sample import stack_samples
from instageo.model.dataset import cache as caches
from instageo.model.dataset import chip_reader
from instageo.model.dataset.cache import CacheEntry, DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import list_cache_entries
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset, build_eval_loader, build_loader
from instageo.model.dataset.sampler import EpochSampler
from instageo.raster.reading import read_info
from instageo.table import Row
from tests.readers import reader_of

CHIPS, LABELS = ChipFormat(no_data_value=-9999), LabelFormat(10_000)


@pytest.fixture
def plain(make_raster):
    """Return a reader of four chips of mixed sizes whose pixels and labels count up; the last has no label."""
    rows = []
    for number, (height, width) in enumerate([(8, 8), (5, 9), (1, 1), (3, 3)]):
        values = (100 * number + np.arange(height * width)).reshape(height, width).astype(np.int16)
        values[0, 0] = -9999
        path = make_raster(f"{number}/chip.tif", values)
        label = make_raster(f"{number}/label.tif", np.maximum(values, 1))
        rows.append(Row(f"{number}/chip.tif", str(path), None if number == 3 else str(label)))
    return reader_of(rows, CHIPS, LABELS)


def entries_of(reader):
    return list_cache_entries(reader, 1, [read_info(row.input).dtype for row in reader.rows])


def in_memory(reader):
    return replace(reader, cache=MemoryCache(entries_of(reader)))


def on_disk(reader, folder):
    return replace(reader, cache=DiskCache(entries_of(reader), Path(folder)))


@pytest.fixture(params=["memory", "disk"])
def cached(request, plain, tmp_path):
    return in_memory(plain) if request.param == "memory" else on_disk(plain, tmp_path / "cache")


def assert_same(first, second):
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.valid, second.valid)
    assert (first.label is None) == (second.label is None)
    assert first.label is None or torch.equal(first.label, second.label)


@pytest.fixture
def decoded(monkeypatch):
    """Return the names of the files that this process has decoded."""
    names, read_layers, read_label = [], chip_reader.read_layers, LabelFormat.read

    def counting_layers(path, *rest):
        names.append(Path(path).name)
        return read_layers(path, *rest)

    def counting_label(label_format, path, *rest):
        names.append(Path(path).name)
        return read_label(label_format, path, *rest)

    monkeypatch.setattr(chip_reader, "read_layers", counting_layers)
    monkeypatch.setattr(LabelFormat, "read", counting_label)
    return names


def test_each_file_is_decoded_once(plain, cached, decoded):
    expected = [plain.read(index) for index in range(4)]
    decoded.clear()
    for _ in range(3):
        for index in range(4):
            assert_same(cached.read(index), expected[index])
    assert sorted(decoded) == ["chip.tif"] * 4 + ["label.tif"] * 3


def test_samples_can_be_changed_without_changing_the_cache(plain, cached):
    for _ in range(2):
        sample = cached.read(0)
        assert_same(sample, plain.read(0))
        for tensor in (sample.image, sample.valid, sample.label):
            tensor.zero_()


def test_sizes_by_hand(plain):
    entries = entries_of(plain)
    assert [entry.nbytes for entry in entries] == [2 * 64 * 2, 64 * 4, 2 * 45 * 2, 45 * 4, 4, 4, 2 * 9 * 2, 0]
    assert MemoryCache(entries).nbytes == 256 + 256 + 192 + 192 + 64 + 64 + 64  # at multiples of 64


def test_a_cache_larger_than_the_memory_of_the_machine_raises_an_error(monkeypatch):
    monkeypatch.setattr(caches.os, "sysconf", {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}.get)
    MemoryCache([CacheEntry("a", "", (3_276_800,), "uint8")])  # 80 % of 4096000 bytes
    words = r"cache=memory needs 0\.0 GB, more than 80% of .* 0\.0 GB; use dataloader\.cache=disk"
    with pytest.raises(ConfigError, match=words):
        MemoryCache([CacheEntry("a", "", (3_276_801,), "uint8")])


def test_a_pickled_cache_works_in_memory_of_its_own(plain):
    reader = in_memory(plain)
    reader.read(0)
    copy = pickle.loads(pickle.dumps(reader))
    for index in range(4):
        assert_same(copy.read(index), plain.read(index))
    copy.cache.get(0, None)[...] = 7
    assert_same(reader.read(0), plain.read(0))


def test_forked_processes_share_memory(plain, monkeypatch):
    """Five epochs with two workers, each of which reads the same chips in every epoch, decode every file once."""
    count = multiprocessing.get_context("fork").Value("i", 0)
    read_layers = chip_reader.read_layers

    def counting(*arguments):
        with count.get_lock():
            count.value += 1
        return read_layers(*arguments)

    monkeypatch.setattr(chip_reader, "read_layers", counting)
    loader = build_eval_loader(WholeChipDataset(in_memory(plain)), 1, 2)
    for _ in range(5):
        samples = [sample for batch in loader for sample in batch]
        assert [len(sample.valid) for sample in samples] == [1] * 4
    assert count.value == 4


@pytest.mark.parametrize("kind", ["none", "memory", "disk"])
@pytest.mark.parametrize("probabilities", [None, [0.7, 0.2, 0.1]])
@pytest.mark.parametrize("num_workers", [0, 1, 2])
def test_batches_are_the_same_with_any_cache_and_number_of_workers(plain, tmp_path, kind, probabilities, num_workers):
    labelled = replace(plain, rows=plain.rows[:3], shapes=plain.shapes[:3], coordinates=plain.coordinates[:3])
    readers = {
        "none": lambda: labelled,
        "memory": lambda: in_memory(labelled),
        "disk": lambda: on_disk(labelled, tmp_path),
    }

    def batches(reader, processes):
        sampler, loaded = EpochSampler(3, 5, probabilities), []
        loader = build_loader(RandomCropDataset(reader, (3, 4), -1), sampler, 2, processes, stack_samples)
        for epoch in range(3):
            sampler.set_epoch(epoch)
            loaded += list(loader)
        return loaded

    expected, loaded = batches(labelled, 0), batches(readers[kind](), num_workers)
    assert len(expected) == len(loaded) == 6
    for one, other in zip(expected, loaded, strict=True):
        assert_same(one, other)


def files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def test_files_contain_the_arrays_and_a_checksum(plain, tmp_path):
    reader = on_disk(plain, tmp_path / "cache")
    for index in range(4):
        reader.read(index)
    assert len(files(tmp_path / "cache")) == 7
    assert {path.suffix for path in files(tmp_path / "cache")} == {".raw"}
    sizes = sorted(path.stat().st_size for path in files(tmp_path / "cache"))
    assert sizes == sorted(entry.nbytes + 4 for entry in entries_of(plain) if entry.nbytes)


def test_another_run_uses_the_files_of_the_first(plain, tmp_path, decoded):
    on_disk(plain, tmp_path / "cache").read(0)
    decoded.clear()
    assert_same(on_disk(plain, tmp_path / "cache").read(0), plain.read(0))
    assert decoded == ["chip.tif", "label.tif"]  # those of the comparison


@pytest.mark.parametrize(
    "other", [ChipFormat(no_data_value=3), ChipFormat(bands=(0,), no_data_value=-9999), ChipFormat()]
)
def test_another_format_has_files_of_its_own(plain, tmp_path, other):
    on_disk(plain, tmp_path / "cache").read(0)
    again = replace(plain, chip_format=other)
    assert_same(on_disk(again, tmp_path / "cache").read(0), again.read(0))
    relabelled = replace(plain, label_format=LabelFormat(10_000, 5, True))
    assert_same(on_disk(relabelled, tmp_path / "cache").read(0), relabelled.read(0))


@pytest.mark.parametrize("damage", ["empty", "half", "longer", "folder"])
def test_a_damaged_file_is_decoded_again(plain, tmp_path, damage):
    reader = on_disk(plain, tmp_path / "cache")
    reader.read(0)
    for path in files(tmp_path / "cache"):
        whole = path.read_bytes()
        path.unlink()
        if damage == "folder":
            path.mkdir()
        else:
            path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "longer": b"0" + whole}[damage])
    assert_same(reader.read(0), plain.read(0))
    assert_same(on_disk(plain, tmp_path / "cache").read(0), plain.read(0))


@pytest.mark.parametrize("position", [0, 100, -1])
def test_a_flipped_bit_is_noticed_and_the_chip_decoded_again(plain, tmp_path, position, caplog):  # pitfall 84
    on_disk(plain, tmp_path / "cache").read(0)
    paths = files(tmp_path / "cache")
    for path in paths:
        content = bytearray(path.read_bytes())
        content[position] ^= 1
        path.write_bytes(content)
    assert_same(on_disk(plain, tmp_path / "cache").read(0), plain.read(0))
    assert caplog.text.count("is damaged") == len(paths)
    caplog.clear()
    assert_same(on_disk(plain, tmp_path / "cache").read(0), plain.read(0))
    assert not caplog.messages  # it was written again


def test_a_changed_file_is_not_served_stale(plain, tmp_path, make_raster):
    reader = on_disk(plain, tmp_path / "cache")
    before = reader.read(0)
    os.utime(make_raster("0/chip.tif", np.full((8, 8), 42, np.int16)), (1_000_000_000, 1_000_000_000))
    assert (reader.read(0).image == 42).all()
    assert not torch.equal(before.image, reader.read(0).image)


def test_a_file_of_another_shape_than_checked_raises_an_error(plain, cached, make_raster):
    make_raster("1/chip.tif", np.zeros((4, 4), np.int16))
    words = r"1/chip\.tif: decoded to \(2, 4, 4\) int16, expected \(2, 5, 9\) int16; .* again"
    with pytest.raises(ConfigError, match=words):
        cached.read(1)


def test_relative_paths_in_two_folders_are_two_files(tmp_path, make_raster, monkeypatch):
    """Copies of the same size and time at the same relative path: each folder has its own."""
    values = []
    for number in (1, 2):
        path = make_raster(f"{number}/data/chip.tif", np.full((2, 2), number, np.int16))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        monkeypatch.chdir(tmp_path / str(number))
        reader = reader_of([Row("chip.tif", "data/chip.tif", None)], CHIPS, LABELS)
        values.append(int(on_disk(reader, tmp_path / "cache").read(0).image[0, 0, 0, 0]))
    assert values == [1, 2]


def test_a_folder_that_cannot_be_written_to_is_reported_once(plain, tmp_path, caplog):  # pitfall 39
    (tmp_path / "file").touch()
    reader = on_disk(plain, tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        for index in (0, 1, 0, 1):
            assert_same(reader.read(index), plain.read(index))
    [warning] = caplog.messages
    assert warning.startswith(f"dataloader.cache=disk: {tmp_path / 'file' / 'cache'}")
    assert "cannot be written: " in warning


def test_a_full_disk_is_reported_once_and_leaves_no_partial_file(plain, tmp_path, caplog, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    reader = on_disk(plain, tmp_path / "cache")
    reader.read(0)
    monkeypatch.setattr("os.replace", full)
    with caplog.at_level(logging.WARNING):
        for index in (1, 2, 1, 0):
            assert_same(reader.read(index), plain.read(index))
    [warning] = caplog.messages
    assert "No space left" in warning
    assert len(files(tmp_path / "cache")) == 2


def test_a_missing_label_takes_no_memory(plain):
    reader = in_memory(plain)
    assert reader.read(3).label is None
    assert_array_equal(reader.read(3).valid[0], reader.read(3).image[0, 0] != 0)
