"""Batches across requests."""

import queue
import threading

import pytest

from instageo.serving.replicas import batching
from instageo.serving.replicas.batching import BatchQueue


def held_process():
    """A function of a batch that waits to be let go, the batches it got, and events: it has begun, it may go on."""
    batches, begun, go = [], threading.Event(), threading.Event()

    def process(items):
        batches.append(list(items))
        begun.set()
        go.wait(10)
        return [item * 10 for item in items]

    return process, batches, begun, go


def test_waiting_items_share_a_batch():
    process, batches, begun, go = held_process()
    queue = BatchQueue(process, lambda item: item, 6, 0.0)
    first = queue.submit(1)
    assert begun.wait(10)
    others = [queue.submit(item) for item in (2, 3, 4, 9, 1)]  # they wait while the first is processed
    go.set()
    assert [future.result(10) for future in (first, *others)] == [10, 20, 30, 40, 90, 10]
    assert batches == [[1], [2, 3], [4], [9], [1]]  # sums of at most 6, a larger one by itself, in their order


def test_the_first_item_waits_for_others():
    batches = []
    queue = BatchQueue(lambda items: batches.append(list(items)) or items, lambda _: 1, 3, 5.0)
    futures = [queue.submit(item) for item in range(3)]
    assert [future.result(10) for future in futures] == [0, 1, 2]
    assert batches == [[0, 1, 2]]


def test_an_error_reaches_all_items_of_its_batch_and_the_queue_goes_on():
    def process(items):
        if 1 in items:
            raise ValueError("broken")
        return items

    queue = BatchQueue(process, lambda _: 1, 8, 0.05)
    futures = [queue.submit(1), queue.submit(2)]
    for future in futures:
        with pytest.raises(ValueError, match="broken"):
            future.result(10)
    assert queue.submit(3).result(10) == 3


def test_a_server_can_end_while_its_queue_waits():
    before = set(threading.enumerate())
    BatchQueue(lambda items: items, lambda _: 1, 8, 0.0)
    [thread] = set(threading.enumerate()) - before
    assert thread.daemon  # Python does not wait for it


def test_a_cancelled_item_is_not_processed():
    process, batches, begun, go = held_process()
    queue = BatchQueue(process, lambda _: 1, 8, 0.0)
    first = queue.submit(1)
    assert begun.wait(10)
    second, third = queue.submit(2), queue.submit(3)
    assert second.cancel()
    go.set()
    assert (first.result(10), third.result(10)) == (10, 30)
    assert batches == [[1], [3]]


@pytest.mark.parametrize(("max_wait_s", "least", "most"), [(0.0, 0.0001, 0.0001), (0.2, 0.0001, 0.2)])
def test_no_item_waits_longer_than_told(max_wait_s, least, most, monkeypatch):
    timeouts = []

    class RecordingQueue(queue.Queue):
        def get(self, block=True, timeout=None):
            timeouts.append(timeout)
            return super().get(block, timeout)

    monkeypatch.setattr(batching, "Queue", RecordingQueue)
    assert BatchQueue(lambda items: items, lambda _: 1, 8, max_wait_s).submit(1).result(10) == 1
    assert timeouts[0] is None  # the first item may come at any time
    assert least <= timeouts[1] <= most
