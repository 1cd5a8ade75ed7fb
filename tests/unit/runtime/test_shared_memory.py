"""As many processes exchange arrays as shared memory has room for, one per core at most."""

import os

from instageo.model.gpu.batches import count_readers
from instageo.runtime import shared_memory
from instageo.runtime.shared_memory import count_processes


def give(monkeypatch, free, cores=16):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))


def test_half_of_the_free_memory_is_shared(monkeypatch):
    give(monkeypatch, 64e6)
    assert count_processes(1e6) == 16
    assert count_processes(3e6) == 10  # of 32 MB
    assert count_processes(33e6) == 0


def test_a_process_that_reads_chips_for_a_gpu_has_three_groups_of_eight(monkeypatch):
    give(monkeypatch, 64e6)
    assert count_readers(1.2e6) == 1  # 28.8 of 32 MB
    assert count_readers(32 * 32 * 24) == 16
    assert count_readers(32e6) == 0


def test_none_without_shared_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory, "FOLDER", str(tmp_path / "none"))
    assert count_processes(1) == 0
