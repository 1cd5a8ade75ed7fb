"""Compute in threads, and take results in the order in which the work was given."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

from instageo.model.inference.predictor import Predictor

MIN_BATCH = 2
"""Smallest batch: for a single tile other kernels are chosen, whose last digits differ."""

Result = TypeVar("Result")


class OrderedWork(Generic[Result]):
    """Work for threads, each with its own PyTorch threads, and what is done with results, in this thread and in order.

    At most one piece of work more than there are threads waits for its turn or has a result that was not taken, so that
    memory stays bounded.

    Args:
        num_threads: Threads.
        torch_threads: Number of threads that PyTorch uses in each. In this thread it uses one meanwhile: between small
            steps of work several would mostly wait for each other.
    """

    def __init__(self, num_threads: int, torch_threads: int) -> None:
        self._limit = num_threads + 1
        self._actions: deque[tuple[Future[Result] | None, Callable[[], None]]] = deque()
        self._num_works = 0
        self._pool = ThreadPoolExecutor(num_threads, "network", torch.set_num_threads, (torch_threads,))

    def __enter__(self) -> "OrderedWork[Result]":
        self._usual_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            self._pool.shutdown(cancel_futures=True)
            torch.set_num_threads(self._usual_threads)

    def add(self, work: Callable[[], Result], take: Callable[[Result], None]) -> None:
        """Give work, whose result is taken after all that was given before; waits until there is room.

        Raises:
            BaseException: What work raised that was given before.
        """
        while self._num_works >= self._limit:
            self._act()
        future = self._pool.submit(work)

        def act() -> None:
            self._num_works -= 1
            take(future.result())

        self._num_works += 1
        self._actions.append((future, act))

    def then(self, action: Callable[[], None]) -> None:
        """Do something when all that was given before is done, which may be now."""
        self._actions.append((None, action))
        while self._actions and ((future := self._actions[0][0]) is None or future.done()):
            self._act()

    def finish(self) -> None:
        """Wait for all that was given."""
        while self._actions:
            self._act()

    def _act(self) -> None:
        self._actions.popleft()[1]()


def divide_threads(predictor: Predictor, batch_size: int) -> tuple[int, int]:
    """Return how many threads run a network at once, and how many of PyTorch's threads each has.

    On a CPU several networks side by side take less time than one whose threads wait for each other, the more so if
    other programs use the cores. Each gets its part of a batch, so that memory does not grow; results stay the same.
    """
    total = torch.get_num_threads()
    if predictor.device.type != "cpu" or predictor.settings.compile:
        return 1, total
    side_by_side = max(min(total, batch_size // MIN_BATCH), 1)
    return side_by_side, total // side_by_side
