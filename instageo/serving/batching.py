"""Work of different requests done together: whatever waits when the one before is done.

Ray's own `serve.batch` closes a batch some milliseconds after its first item, also while the one before is still being
worked on, so that under load batches stay as small as they were when they were closed.
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
    """One thread that works on items in batches.

    Args:
        work: From a batch to a result for each item.
        size: Of an item.
        most: Largest sum of sizes in a batch; a single item may be larger.
        wait_s: How long the first item of a batch waits for others, seconds.
    """

    def __init__(
        self, work: Callable[[Sequence[Item]], Sequence[Result]], size: Callable[[Item], int], most: int, wait_s: float
    ) -> None:
        self.work, self.size, self.most, self.wait_s = work, size, most, wait_s
        self.waiting: Queue[_Waiting[Item, Result]] = Queue()
        Thread(target=self._run, daemon=True).start()

    def submit(self, item: Item) -> "Future[Result]":
        """What will come of an item."""
        future: Future[Result] = Future()
        self.waiting.put(_Waiting(item, future))
        return future

    def _run(self) -> None:
        left: _Waiting[Item, Result] | None = None
        while True:
            batch, left = self._next(left or self.waiting.get())
            running = [each for each in batch if each.future.set_running_or_notify_cancel()]
            try:
                results = self.work([each.item for each in running])
            except Exception as error:  # noqa: BLE001  # it belongs to those who wait for the results
                for each in running:
                    each.future.set_exception(error)
            else:
                for each, result in zip(running, results, strict=True):
                    each.future.set_result(result)

    def _next(
        self, first: "_Waiting[Item, Result]"
    ) -> "tuple[list[_Waiting[Item, Result]], _Waiting[Item, Result] | None]":
        """The batch that begins with an item, and the item that did not fit into it any more."""
        batch, size, end = [first], self.size(first.item), monotonic() + self.wait_s
        while size < self.most:
            try:
                found = self.waiting.get(timeout=max(end - monotonic(), 0.0001))
            except Empty:
                break
            size += self.size(found.item)
            if size > self.most:
                return batch, found
            batch.append(found)
        return batch, None


@dataclass(frozen=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: "Future[Result]"
