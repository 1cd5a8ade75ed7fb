"""Work of different requests done together."""

import threading

import pytest

from instageo.serving.batching import BatchQueue


def test_what_waits_is_done_together():
    batches, go = [], threading.Event()

    def work(items):
        batches.append(list(items))
        go.wait(10)
        return [item * 10 for item in items]

    gathering = BatchQueue(work, lambda item: item, 6, 0.0)
    first = gathering.submit(1)
    while not batches:
        pass
    others = [gathering.submit(item) for item in (2, 3, 4, 9, 1)]  # they wait while the first is worked on
    go.set()
    assert [future.result(10) for future in (first, *others)] == [10, 20, 30, 40, 90, 10]
    assert batches == [[1], [2, 3], [4], [9], [1]]  # sums of at most 6, a larger one alone, in their order


def test_the_first_waits_for_others():
    batches = []
    gathering = BatchQueue(lambda items: batches.append(list(items)) or items, lambda _: 1, 3, 5.0)
    futures = [gathering.submit(item) for item in range(3)]
    assert [future.result(10) for future in futures] == [0, 1, 2]
    assert batches == [[0, 1, 2]]


def test_an_error_reaches_all_who_wait_and_ends_nothing():
    def work(items):
        if 1 in items:
            raise ValueError("broken")
        return items

    gathering = BatchQueue(work, lambda _: 1, 8, 0.05)
    futures = [gathering.submit(1), gathering.submit(2)]
    for future in futures:
        with pytest.raises(ValueError, match="broken"):
            future.result(10)
    assert gathering.submit(3).result(10) == 3
