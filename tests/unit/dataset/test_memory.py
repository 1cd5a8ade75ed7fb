"""Reading takes memory for the chips in use, not for all chips that were read before."""

import gc
import resource
import tracemalloc
from dataclasses import replace
from operator import ge
from pathlib import Path

import numpy as np
import pytest

from instageo.model.chips.chip_format import ChipFormat
from instageo.model.chips.pixel_labels import LabelFormat
from instageo.model.dataset.cache import DiskCache, MemoryCache
from instageo.model.dataset.chip_reader import list_cache_entries
from instageo.model.dataset.datasets import RandomCropDataset, WholeChipDataset
from instageo.table import Row
from tests.readers import reader_of
from tests.tiffs import write_tiff

STATM = Path("/proc/self/statm")
pytestmark = pytest.mark.skipif(not STATM.exists(), reason="this system does not report the memory of a process")

SIDE, CHIPS, WARM, READS = 64, 10, 20, 120
ONE = 6 * SIDE * SIDE * 4
"""Bytes of one decoded chip."""


@pytest.fixture
def reader(tmp_path):
    rng, rows = np.random.default_rng(0), []
    for number in range(CHIPS):
        chip = write_tiff(tmp_path / f"{number}.tif", rng.integers(0, 10_000, (6, SIDE, SIDE), dtype=np.int16))
        label = write_tiff(tmp_path / f"{number}_label.tif", rng.integers(0, 3, (1, SIDE, SIDE), dtype=np.uint8))
        rows.append(Row(str(number), chip, label))
    return reader_of(rows, ChipFormat(no_data_value=-9999), LabelFormat(3))


def resident():
    """Resident memory of this process, bytes."""
    pages = int(STATM.read_text().split()[1])
    return pages * resource.getpagesize()


def read_functions(reader, kind, folder):
    if kind != "none":
        entries = list_cache_entries(reader, 6, ["int16"] * CHIPS)
        reader = replace(reader, cache=MemoryCache(entries) if kind == "memory" else DiskCache(entries, folder))
    crops = RandomCropDataset(reader, (32, 32), -1)
    return {"whole": WholeChipDataset(reader).__getitem__, "crops": lambda index: crops[index, index % CHIPS]}


def growth(read):
    """Return by how many bytes the memory grows in 120 reads, as Python and as the system count them."""
    gc.collect()
    tracemalloc.start()
    try:
        before = resident()
        for index in range(READS):
            read(index % CHIPS)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], resident() - before
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["none", "memory", "disk"])
@pytest.mark.parametrize("part", ["whole", "crops"])
def test_memory_does_not_grow_with_what_was_read(reader, tmp_path, kind, part):
    """After a warm-up, reading 12 MB of pixels leaves less than three chips in Python's memory, and less than a third
    of the pixels in the memory of the process. A leak occurs in every round: the better of two rounds counts."""
    read = read_functions(reader, kind, tmp_path / "cache")[part]
    for index in range(WARM):
        read(index % CHIPS)
    limits = (3 * ONE, READS * ONE / 3)
    rounds = [growth(read)]
    if any(map(ge, rounds[0], limits)):
        rounds.append(growth(read))
    python, system = map(min, zip(*rounds, strict=True))
    assert python < limits[0]
    assert system < limits[1]
