"""Memory that goes back to the system after large images."""

import time

from instageo.serving import freed_memory
from instageo.serving.freed_memory import DelayedMemoryReturn

DELAY_S = 0.2


def wait_until(condition):
    """Wait up to 10 s for a condition."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_memory_returns_after_the_last_request_that_was_made(monkeypatch):
    times = []
    monkeypatch.setattr(freed_memory, "return_freed_memory", lambda: times.append(time.monotonic()))
    memory_return = DelayedMemoryReturn(DELAY_S)
    start = time.monotonic()
    memory_return.request()
    time.sleep(DELAY_S / 2)
    last = time.monotonic()
    memory_return.request()  # while a return is due, which would be too early for this one
    wait_until(lambda: not memory_return._running)
    assert len(times) == 2
    assert times[0] >= start + DELAY_S
    assert times[1] >= last + DELAY_S


def test_many_requests_return_memory_once_per_delay_and_later_ones_again(monkeypatch):
    times = []
    monkeypatch.setattr(freed_memory, "return_freed_memory", lambda: times.append(time.monotonic()))
    memory_return = DelayedMemoryReturn(DELAY_S)
    for _ in range(100):
        memory_return.request()
    wait_until(lambda: not memory_return._running)
    assert 1 <= len(times) <= 2
    earlier = len(times)
    memory_return.request()
    wait_until(lambda: not memory_return._running)
    assert len(times) == earlier + 1
