"""The peak of a process is kept while a part of it is measured; memory of a GPU is played by a list of numbers."""

import pytest
import torch

from instageo.model.gpu import peak_memory


@pytest.fixture
def gpu(monkeypatch):
    memory = {"peak": 0}
    monkeypatch.setattr(peak_memory, "_earlier", {})
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _device=None: memory["peak"])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _device: memory.update(peak=0))
    return memory


def test_a_part_is_measured_alone_and_the_peak_of_the_process_stays(gpu):
    gpu["peak"] = 2000  # training
    with peak_memory.measure_peak(torch.device("cuda")) as peak:
        gpu["peak"] = 700
        assert peak() == 700
    assert peak_memory.peak_bytes() == 2000


def test_a_part_may_be_the_peak_of_the_process(gpu):
    gpu["peak"] = 300
    with peak_memory.measure_peak(torch.device("cuda", 0)):
        gpu["peak"] = 700
    assert peak_memory.peak_bytes() == 700
