"""Calls timed in turn, on a clock that is known."""

import torch

from instageo.model.runs.speed import Latency, synchronized, time_alternating
from instageo.model.tracking.environment import cpu_name


def test_calls_take_turns_and_warming_up_does_not_count():
    now, order = [0.0], []

    def call(name, seconds):
        def called():
            order.append(name)
            now[0] += seconds + 100 * (len(order) <= 4)  # the first calls are slow

        return called

    calls = [call("a", 1), call("b", 10)]
    assert time_alternating(calls, 3, warm_up=2, clock=lambda: now[0]) == [[1, 1, 1], [10, 10, 10]]
    assert "".join(order) == "abbaabbaab"


def test_percentiles_by_hand():
    assert Latency.of([10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) == Latency(median=5, low=1, high=9)
    assert Latency.of([0.5]) == Latency(0.5, 0.5, 0.5)


def test_a_gpu_is_waited_for(monkeypatch):
    done = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: done.append("waited"))
    synchronized(lambda: done.append("asked"), torch.device("cuda"))()
    synchronized(lambda: done.append("computed"), torch.device("cpu"))()
    assert done == ["asked", "waited", "computed"]


def test_the_processor_has_a_name(monkeypatch):
    monkeypatch.setattr(
        "pathlib.Path.read_text", lambda path, encoding: "processor\t: 0\nmodel name\t: Fast CPU @ 2 GHz\n"
    )
    assert cpu_name() == "Fast CPU @ 2 GHz"
