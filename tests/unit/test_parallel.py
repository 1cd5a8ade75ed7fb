"""One function over many items with all cores."""

import os
import signal

import pytest
import torch

from instageo.errors import DataError
from instageo.parallel import map_processes, map_threads


def squared(number):
    return os.getpid(), number * number


def ended(number):
    os.kill(os.getpid(), signal.SIGKILL)


def impossible(number):
    raise RuntimeError("own words")


@pytest.mark.parametrize(("each", "elsewhere"), [(map_threads, False), (map_processes, True)])
def test_results_come_in_the_order_of_the_items(each, elsewhere):
    before = torch.random.get_rng_state()
    pids, squares = zip(*each(squared, range(100)), strict=True)
    assert squares == tuple(number * number for number in range(100))
    assert (os.getpid() not in pids) is elsewhere
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_process_that_was_ended_is_told():
    with pytest.raises(DataError, match="was ended from outside, for lack of memory"):
        list(map_processes(ended, range(3)))


def test_other_errors_keep_their_words():
    with pytest.raises(RuntimeError, match="own words"):
        list(map_processes(impossible, range(3)))
