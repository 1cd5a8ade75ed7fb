"""Batches across requests: all items that wait when the previous batch is done.

Ray's own `serve.batch` closes a batch some milliseconds after its first item, even while the previous batch is still
being processed, so that under load batches stay as small as they were when they were closed.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class BatchQueue(Generic[Item, Result]):
    """A thread that processes items in batches.

    Args:
        process: Maps a batch to a result for each item.
        size_of: Returns the size of an item.
        max_size: Largest sum of sizes in a batch; a single item may be larger.
        max_wait_s: How long the first item of a batch waits for others, seconds.
    """

    def __init__(
        self,
        process: Callable[[Sequence[Item]], Sequence[Result]],
        size_of: Callable[[Item], int],
        max_size: int,
        max_wait_s: float,
    ) -> None:
        self.process, self.size_of, self.max_size, self.max_wait_s = process, size_of, max_size, max_wait_s
        self.waiting: Queue[_WaitingItem[Item, Result]] = Queue()
        Thread(target=self._run, daemon=True).start()

    def submit(self, item: Item) -> "Future[Result]":
        """Queue an item, and return the future of its result."""
        future: Future[Result] = Future()
        self.waiting.put(_WaitingItem(item, future))
        return future

    def _run(self) -> None:
        next_first: _WaitingItem[Item, Result] | None = None
        while True:
            batch, next_first = self._collect(next_first or self.waiting.get())
            running = [waiting for waiting in batch if waiting.future.set_running_or_notify_cancel()]
            try:
                results = self.process([waiting.item for waiting in running])
            except Exception as error:  # noqa: BLE001  # raised where the results are awaited
                for waiting in running:
                    waiting.future.set_exception(error)
            else:
                for waiting, result in zip(running, results, strict=True):
                    waiting.future.set_result(result)

    def _collect(
        self, first: "_WaitingItem[Item, Result]"
    ) -> "tuple[list[_WaitingItem[Item, Result]], _WaitingItem[Item, Result] | None]":
        """Return the batch that begins with an item, and the item that no longer fitted into it."""
        batch, size, deadline = [first], self.size_of(first.item), monotonic() + self.max_wait_s
        while size < self.max_size:
            try:
                waiting = self.waiting.get(timeout=max(deadline - monotonic(), 0.0001))
            except Empty:
                break
            size += self.size_of(waiting.item)
            if size > self.max_size:
                return batch, waiting
            batch.append(waiting)
        return batch, None


@dataclass(frozen=True)
class _WaitingItem(Generic[Item, Result]):
    item: Item
    future: "Future[Result]"
