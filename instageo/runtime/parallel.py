"""Apply a function to many items with threads or processes; results keep the order of the items."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import TypeVar

from instageo.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK_SIZE = 8
"""Items sent to a process at a time."""


def map_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the results of a function, computed by threads: for few items, and for functions that wait."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(function, items)


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int, pool: Executor | None = None
) -> Iterator[Result]:
    """Yield the results of a function, computed by threads while the caller works on earlier results.

    Items are taken in the calling thread, so that one stage of a pipeline may iterate over the results of another.

    Args:
        function: Called with each item.
        items: Its arguments.
        ahead: Number of results computed in advance.
        pool: Threads or processes that compute them, which go on to exist; None for as many threads as `ahead`.
    """
    workers = pool or ThreadPoolExecutor(max(ahead, 1))
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            with deferred_interrupts():
                pending.append(workers.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        if pool is None:
            workers.shutdown(cancel_futures=True)


def map_processes(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Yield the results of a function, computed by processes: for functions that hold Python's global lock.

    The processes end with this one, however it ends.

    Raises:
        DataError: A process was killed.
    """
    pool = ProcessPoolExecutor(os.cpu_count(), initializer=follow_parent)
    try:
        with deferred_interrupts():
            results = pool.map(function, items, chunksize=CHUNK_SIZE)
        yield from results
    except BrokenProcessPool as error:
        raise DataError("a process that was reading files was killed; this happens when memory runs out") from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended.

    A pool that is interrupted while it takes a task can keep a lock, and then waits for itself for ever when it is shut
    down.
    """
    if threading.current_thread() is not threading.main_thread():  # others are not interrupted
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    previous = signal.signal(signal.SIGINT, lambda *details: received.append(details))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if previous is None else previous)
        if received and callable(previous):
            previous(*received[0])


def follow_parent() -> None:
    """Leave Ctrl-C to the parent process, which then ends this one; and end when the parent is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
