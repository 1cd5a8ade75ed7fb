"""Sums over the processes of a distributed run, with the messages between them replaced."""

import pytest
import torch
import torch.distributed as dist

from instageo.model.metrics.distributed import (
    float64_device,
    gather_over_processes,
    increment_cells,
    is_positive,
    sum_over_processes,
)

OTHER = torch.tensor([10, 20])
"""Counts of the other one of two processes."""


@pytest.fixture
def two_processes(monkeypatch):
    def add(counts):
        counts += OTHER

    def gather(parts, values):
        parts[0].copy_(values)
        parts[1].copy_(OTHER)

    for name, function in {
        "is_initialized": lambda: True,
        "get_world_size": lambda: 2,
        "all_reduce": add,
        "all_gather": gather,
    }.items():
        monkeypatch.setattr(dist, name, function)


def test_processes_add_up_their_counts(two_processes):
    counts = torch.tensor([1, 2])
    assert sum_over_processes(counts, sync=True).tolist() == [11, 22]
    assert sum_over_processes(counts, sync=False).tolist() == [1, 2]
    assert counts.tolist() == [1, 2]  # summing them again would count the other's twice


def test_processes_gather_their_values(two_processes):
    values = torch.tensor([1, 2])
    assert [part.tolist() for part in gather_over_processes(values, sync=True)] == [[1, 2], [10, 20]]
    assert [part.tolist() for part in gather_over_processes(values, sync=False)] == [[1, 2]]


@pytest.mark.parametrize("is_available", [True, False])
def test_one_process_alone_keeps_its_own(is_available, monkeypatch):
    monkeypatch.setattr(dist, "is_available", lambda: is_available)
    monkeypatch.setattr(dist, "is_initialized", lambda: not is_available)
    counts = torch.tensor([1, 2])
    assert sum_over_processes(counts, sync=True).tolist() == [1, 2]
    assert [part.tolist() for part in gather_over_processes(counts, sync=True)] == [[1, 2]]


def test_cells_are_counted_as_often_as_they_occur():
    counts = torch.zeros(2, 3, dtype=torch.long)
    increment_cells(counts, torch.tensor([0, 4, 4, 5]))
    assert counts.tolist() == [[1, 0, 0], [0, 2, 1]]


def test_positive_values_by_hand():
    positive = is_positive(torch.tensor([-2.0, 0.0, 1e-30, 0.5, 3.0]))
    assert positive.tolist() == [0, 0, 1, 1, 1]
    assert positive.dtype == torch.int32


def test_devices_without_float64_leave_it_to_the_cpu():
    assert float64_device("mps") == torch.device("cpu")
    assert float64_device("cuda:1") == torch.device("cuda:1")
    assert float64_device(torch.device("cpu")) == torch.device("cpu")
