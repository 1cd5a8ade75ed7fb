"""One function over many items with all cores."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
import torch

from instageo.errors import DataError
from instageo.runtime import parallel
from instageo.runtime.parallel import deferred_interrupts, map_processes, map_threads

PROGRAM = """
import os, sys, time
from instageo.runtime.parallel import map_processes

def work(number):
    sys.stdout.write(f"{os.getpid()}\\n")
    sys.stdout.flush()
    time.sleep(number)

for _ in map_processes(work, [0.05] * 100_000):
    pass
"""


def square(number):
    return os.getpid(), number * number


def kill_itself(number):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number):
    raise RuntimeError("own words")


@pytest.fixture
def program():
    """A process whose worker processes are at work, and the number of one of them."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize(("map_items", "in_other_processes"), [(map_threads, False), (map_processes, True)])
def test_results_come_in_the_order_of_the_items(map_items, in_other_processes):
    before = torch.random.get_rng_state()
    pids, squares = zip(*map_items(square, range(100)), strict=True)
    assert squares == tuple(number * number for number in range(100))
    assert (os.getpid() not in pids) is in_other_processes
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_killed_process_is_reported():
    with pytest.raises(DataError, match="a process that was reading files was killed; this happens when memory runs"):
        list(map_processes(kill_itself, range(3)))


def test_other_errors_keep_their_words():
    with pytest.raises(RuntimeError, match=r"^own words$"):
        list(map_processes(fail, range(3)))


def test_ctrl_c_ends_the_processes_and_shows_the_error_of_the_parent_alone(program):
    process, worker = program
    os.kill(worker, signal.SIGINT)  # Ctrl-C reaches every process of a terminal
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("KeyboardInterrupt") == 1
    assert has_ended(worker)


def test_processes_end_when_the_parent_is_killed(program):
    process, worker = program
    process.kill()
    process.wait(timeout=60)
    assert has_ended(worker)


def has_ended(pid, deadline_s=60):
    """Return whether a process ends before the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_an_interrupt_waits_for_the_end_of_the_block():
    steps = []

    def interrupt_itself():
        with deferred_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("ended")

    with pytest.raises(KeyboardInterrupt):
        interrupt_itself()
    assert steps == ["ended"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_pool_takes_its_tasks_undisturbed(monkeypatch):
    """An interrupt while it does could leave one of its locks closed."""
    handlers = []

    class Watched(ProcessPoolExecutor):
        def submit(self, *arguments, **options):
            handlers.append(signal.getsignal(signal.SIGINT))
            return super().submit(*arguments, **options)

    monkeypatch.setattr(parallel, "ProcessPoolExecutor", Watched)
    assert len(list(map_processes(square, range(20)))) == 20
    assert len(handlers) == 3  # of eight items each
    assert signal.default_int_handler not in handlers
