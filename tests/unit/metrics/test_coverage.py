"""Share of labelled pixels inside predicted intervals, by hand."""

import math

import pytest
import torch
import torch.distributed as dist

from instageo.model.metrics.coverage import IntervalCoverage


def test_coverage_by_hand():
    """Inside: 1 (lower end), 2, 3 (upper end); outside: 0 and 4; NaN does not count."""
    coverage = IntervalCoverage(sync=False)
    assert coverage.sync is False
    assert math.isnan(coverage.compute())
    low, high = torch.full((2, 3), 1.0), torch.full((2, 3), 3.0)
    coverage.update(low, high, torch.tensor([[0.0, 1.0, 2.0], [3.0, 4.0, torch.nan]]))
    assert coverage.compute() == 3 / 5
    coverage.update(low[:1], high[:1], torch.full((1, 3), 2.0))
    assert coverage.compute() == 6 / 8
    assert coverage.compute().dtype == torch.float64
    coverage.reset()
    coverage.update(low, high, torch.zeros(2, 3))
    assert coverage.compute() == 0


def test_intervals_need_no_gradient():
    low = torch.zeros(1, requires_grad=True)
    coverage = IntervalCoverage()
    assert coverage.sync is True
    coverage.update(low, low + 1, torch.ones(1))
    assert not coverage.compute().requires_grad


@pytest.mark.parametrize(("sync", "expected"), [(True, (1 + 2) / (1 + 9)), (False, 1)])
def test_processes_add_up_their_pixels_if_told(sync, expected, monkeypatch):
    """The other process has 2 of 9 pixels inside."""
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "all_reduce", lambda counts: counts.add_(torch.tensor([2, 9])))
    coverage = IntervalCoverage(sync=sync)
    coverage.update(torch.zeros(1), torch.ones(1), torch.ones(1))
    assert coverage.compute() == expected


def test_counts_lose_no_pixel():
    """Above 2^24 float32 holds no odd number."""
    coverage, low = IntervalCoverage(), torch.zeros(1)
    coverage.update(low, low + 1, low.expand(2**24))
    coverage.update(low, low + 1, low + 2)
    assert coverage.compute() == 2**24 / (2**24 + 1)


def test_counts_are_on_the_device_of_the_predictions():
    coverage = IntervalCoverage(device="meta")
    assert coverage._counts.device.type == "meta"
    coverage.reset()
    assert coverage._counts.device.type == "cpu"
    coverage.reset("meta")
    assert coverage._counts.device.type == "meta"
