"""Calls timed in alternation, with a clock under control."""

import torch

from instageo.model.runs.speed import Latency, synchronized, time_alternating


def test_calls_alternate_and_warm_up_is_not_counted():
    now, order = [0.0], []

    def make_call(name, seconds):
        def call():
            order.append(name)
            now[0] += seconds + 100 * (len(order) <= 4)  # the first calls are slow

        return call

    calls = [make_call("a", 1), make_call("b", 10)]
    assert time_alternating(calls, 3, warm_up=2, clock=lambda: now[0]) == [[1, 1, 1], [10, 10, 10]]
    assert "".join(order) == "abbaabbaab"


def test_percentiles_by_hand():
    assert Latency.of([10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) == Latency(median=5, low=1, high=9)
    assert Latency.of([0.5]) == Latency(0.5, 0.5, 0.5)


def test_calls_wait_for_a_gpu(monkeypatch):
    events = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("waited"))
    synchronized(lambda: events.append("started"), torch.device("cuda"))()
    synchronized(lambda: events.append("computed"), torch.device("cpu"))()
    assert events == ["started", "waited", "computed"]
