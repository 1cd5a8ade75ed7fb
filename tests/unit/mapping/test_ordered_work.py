"""Results are taken in order, whatever order they are computed in, and never many at once."""

import threading

import pytest
import torch

from instageo.model.mapping.ordered_work import OrderedWork, divide_threads
from tests.unit.mapping.conftest import Remainder, make_predictor


def test_results_are_taken_in_order_also_if_the_first_is_ready_last():
    second_is_done, taken = threading.Event(), []

    def first():
        assert second_is_done.wait(10)
        return "first"

    def second():
        second_is_done.set()
        return "second"

    with OrderedWork(2, 1) as work:
        work.add(first, taken.append)
        work.then(lambda: taken.append("between"))
        work.add(second, taken.append)
    assert taken == ["first", "between", "second"]


@pytest.mark.parametrize("num_threads", [1, 3])
def test_results_that_were_not_taken_are_bounded(num_threads):
    begun, taken, most = [], [], 0
    with OrderedWork(num_threads, 1) as work:
        for number in range(20):
            work.add(lambda number=number: begun.append(number), taken.append)
            most = max(most, number + 1 - len(taken))
    assert len(begun) == len(taken) == 20
    assert most == num_threads + 1


def test_actions_do_not_wait_without_work():
    """As in a scene with many rows of tiles without a valid pixel, whose rows would pile up."""
    done = []
    with OrderedWork(1, 1) as work:
        work.then(lambda: done.append("at once"))
        assert done == ["at once"]
        release = threading.Event()
        work.add(lambda: release.wait(10), done.append)
        work.then(lambda: done.append("later"))
        assert done == ["at once"]
        release.set()
    assert done == ["at once", True, "later"]


def test_an_error_is_raised_in_its_turn_and_ends_the_work():
    taken = []

    def fail():
        raise ValueError("broken")

    def run():
        with OrderedWork(1, 1) as work:
            for each in (lambda: 1, fail, lambda: 3):
                work.add(each, taken.append)

    with pytest.raises(ValueError, match="broken"):
        run()
    assert taken == [1]


@pytest.fixture
def torch_threads():
    """Set the number of PyTorch's threads, and set it back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads_of_pytorch_are_those_that_were_asked_for(torch_threads):
    torch_threads(4)
    numbers = []
    with OrderedWork(2, 3) as work:
        numbers.append(torch.get_num_threads())
        for _ in range(4):
            work.add(torch.get_num_threads, numbers.append)
    assert numbers == [1, 3, 3, 3, 3]
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(
    ("threads", "batch_size", "expected"),
    [(2, 8, (2, 1)), (1, 8, (1, 1)), (16, 8, (4, 4)), (2, 3, (1, 2)), (8, 1, (1, 8)), (3, 8, (3, 1))],
)
def test_each_network_gets_two_tiles_or_more(torch_threads, threads, batch_size, expected):
    torch_threads(threads)
    assert divide_threads(make_predictor(Remainder(2), 2, 32, batch_size=batch_size), batch_size) == expected
